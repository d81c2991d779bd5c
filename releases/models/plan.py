"""A frozen plan."""

import pgtrigger
from django.db import models

from releases.models.history import append_only


class Plan(models.Model):
    """A release's runbook for one environment, every variable filled in. Never changed; approvals sign its digest.

    `content` is the canonical JSON the digest is made of: steps, checklist, hosts with their pinned keys,
    artifacts with their SHA-256, names and versions of secrets (never their values).
    """

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="plans")
    release = models.ForeignKey("releases.Release", on_delete=models.PROTECT, related_name="plans")
    runbook_version = models.ForeignKey("releases.RunbookVersion", on_delete=models.PROTECT, related_name="plans")
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    estimate = models.PositiveIntegerField(help_text="seconds")
    downtime_estimate = models.PositiveIntegerField(help_text="seconds")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        triggers: list[pgtrigger.Trigger] = append_only("plan")
        indexes = [models.Index(fields=["digest"], name="plan_digest")]

    def __str__(self) -> str:
        return f"sha256:{self.digest[:12]}"
