"""A project and its services."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of


class Project(models.Model):
    """What a team ships together."""

    slug = models.SlugField(_("short name"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    repository = models.CharField(
        _("Git repository"),
        max_length=500,
        blank=True,
        help_text=_("Folder on the controller, or an address to clone."),
    )
    workspace_folder = models.CharField(
        _("workspace"), max_length=500, blank=True, help_text=_("Folder on the controller where the code is built.")
    )
    public_page = models.BooleanField(
        _("public page"),
        default=True,
        help_text=_("Anybody may read how the services are and what is announced, without logging in."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def workspace(self) -> str:
        """The folder on the controller in which builds run and artifacts are found."""
        return self.workspace_folder or str(settings.WORKSPACE_DIR / self.slug)


class Service(models.Model):
    """A deployable part of a project."""

    class Kind(models.TextChoices):
        """What sort of part it is."""

        BACKEND = "backend", _("Backend")
        FRONTEND = "frontend", _("Frontend")
        DATABASE = "database", _("Database")
        PROXY = "proxy", _("Proxy")
        AI = "ai", _("AI")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="services")
    key = models.SlugField(_("short name"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="service_key_once"),
            one_of("kind", ["backend", "frontend", "database", "proxy", "ai"], "service_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name
