"""Who did what, when, from where."""

import pgtrigger
from django.db import models

from releases.models.history import append_only


class AuditEvent(models.Model):
    """One entry of the append-only, hash-chained audit log. Written by `releases.audit.record` alone."""

    sequence = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField()
    actor = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    actor_name = models.CharField(max_length=120, help_text="as it was then; 'Cloud Wiki' for the system")
    action = models.CharField(max_length=60)
    target_type = models.CharField(max_length=40)
    target_id = models.CharField(max_length=40)
    target_name = models.CharField(max_length=200)
    project = models.ForeignKey("releases.Project", null=True, on_delete=models.PROTECT, related_name="+")
    deployment = models.ForeignKey("releases.Deployment", null=True, on_delete=models.PROTECT, related_name="events")
    detail = models.JSONField(default=dict)
    address = models.CharField(max_length=64, blank=True, help_text="where the request came from")
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-sequence"]
        triggers: list[pgtrigger.Trigger] = append_only("audit_event")
        indexes = [
            models.Index(fields=["deployment", "-sequence"], name="audit_by_deployment"),
            models.Index(fields=["project", "-sequence"], name="audit_by_project"),
            models.Index(fields=["target_type", "target_id", "-sequence"], name="audit_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.actor_name} {self.action} {self.target_name}"


class AuditHead(models.Model):
    """The last link of the audit chain; its one row is locked while an event is added."""

    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="audit_head_single")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash[:12]}"
