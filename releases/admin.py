"""Django admin for the rest: projects, services, people and their rights.

What has a page and a verb of its own (deployments, steps, approvals, secrets) is not editable here.
"""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.utils.translation import gettext_lazy as _

from releases.models import DeployWindow, Environment, Membership, Project, Service, User


class MembershipInline(admin.TabularInline[Membership, Project]):
    """Who may do what in a project."""

    model = Membership
    extra = 1


class ServiceInline(admin.TabularInline[Service, Project]):
    """The parts of a project."""

    model = Service
    extra = 1


class EnvironmentInline(admin.TabularInline[Environment, Project]):
    """The environments of a project; their rules have a page of their own."""

    model = Environment
    fields = ("key", "name", "is_production", "runbook", "zone")
    extra = 0


class WindowInline(admin.TabularInline[DeployWindow, Environment]):
    """Deploy windows of an environment."""

    model = DeployWindow
    extra = 0


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin[Project]):
    """A project with its people, services and environments."""

    list_display = ("name", "slug", "repository")
    inlines = (MembershipInline, ServiceInline, EnvironmentInline)


@admin.register(Environment)
class EnvironmentAdmin(admin.ModelAdmin[Environment]):
    """An environment's place in the lists and its windows."""

    list_display = ("name", "project", "is_production")
    list_select_related = ("project",)
    inlines = (WindowInline,)


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    """People."""

    list_display = ("username", "display_name", "role", "is_active", "is_superuser")
    fieldsets = (*(UserAdmin.fieldsets or ()), (_("Cloud Wiki"), {"fields": ("display_name", "role", "language")}))
