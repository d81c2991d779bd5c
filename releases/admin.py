"""Django admin for the rest: projects, services, people and their rights.

What has a page and a verb of its own (deployments, steps, approvals, secrets) is not editable here.
"""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from releases import audit, permissions
from releases.models import DeployWindow, Environment, Membership, Project, Service, User


class Audited[M: Model](admin.ModelAdmin[M]):
    """What is changed here is in the audit log too: rights are given here, and approvals rest on them."""

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        """Django's own entry, and ours."""
        audit.record(permissions.actor(request), "admin.add", obj, changes=message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> LogEntry:
        """Django's own entry, and ours."""
        audit.record(permissions.actor(request), "admin.change", obj, changes=message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[M]) -> Any:
        """Django's own entries, and ours."""
        for row in queryset:
            audit.record(permissions.actor(request), "admin.delete", row)
        return super().log_deletions(request, queryset)


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
class ProjectAdmin(Audited[Project]):
    """A project with its people, services and environments. It is never removed: its history is kept."""

    list_display = ("name", "slug", "repository")
    inlines = (MembershipInline, ServiceInline, EnvironmentInline)

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """Nobody may."""
        return False


@admin.register(Environment)
class EnvironmentAdmin(Audited[Environment]):
    """An environment's place in the lists and its windows."""

    list_display = ("name", "project", "is_production")
    list_select_related = ("project",)
    inlines = (WindowInline,)


@admin.register(User)
class PersonAdmin(Audited[User], UserAdmin[User]):
    """People."""

    list_display = ("username", "display_name", "role", "is_active", "is_superuser")
    fieldsets = (*(UserAdmin.fieldsets or ()), (_("Cloud Wiki"), {"fields": ("display_name", "role", "language")}))
