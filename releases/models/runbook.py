"""Written procedures and their versions."""

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import DeploymentKind, one_of
from releases.models.history import append_only


class Runbook(models.Model):
    """A procedure of a project. Its text lives in versions, which are never changed."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="runbooks")
    key = models.SlugField(_("short name"), max_length=60)
    name = models.CharField(_("name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=20, choices=DeploymentKind, default=DeploymentKind.DEPLOY)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="runbook_key_once"),
            one_of("kind", DeploymentKind.values, "runbook_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name

    def latest(self) -> "RunbookVersion | None":
        """The newest version, or None before the first."""
        return self.versions.order_by("-number").first()


class RunbookVersion(models.Model):
    """One saved text of a runbook (YAML)."""

    runbook = models.ForeignKey(Runbook, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    note = models.CharField(_("what changed"), max_length=300, blank=True)
    created_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["runbook", "number"], name="runbook_version_once")]
        triggers: list[pgtrigger.Trigger] = append_only("runbook_version")

    def __str__(self) -> str:
        return f"{self.runbook} v{self.number}"
