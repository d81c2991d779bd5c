"""What workers do to backups because a person or a rule asked: proving them, taking them."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of
from releases.models.history import frozen_once


class Errand(models.Model):
    """Work that one worker at a time is at, outside any deployment. Kept as it is once ended.

    `remote_id` names its folder on the machine, so that a worker that takes it up finds what another one began.
    """

    remote_id = models.CharField(max_length=80, unique=True)
    asked_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(null=True, help_text="when a worker was last at it")
    ended_at = models.DateTimeField(null=True)
    problem = models.CharField(max_length=500, blank=True, help_text="why it did not end well, in one sentence")
    output = models.TextField(blank=True, help_text="what the programs printed, secrets masked")

    class Meta:
        abstract = True
        ordering = ["-pk"]


def _ended_with(name: str) -> models.CheckConstraint:
    """An ending and its time come together."""
    return models.CheckConstraint(
        condition=models.Q(ending="", ended_at__isnull=True)
        | (~models.Q(ending="") & models.Q(ended_at__isnull=False)),
        name=name,
    )


class ProofEnding(models.TextChoices):
    """How the proof of a backup ended."""

    PROVED = "proved", _("Proved")
    REFUTED = "refuted", _("Not restorable")
    UNREACHABLE = "unreachable", _("Not reachable")
    IMPOSSIBLE = "impossible", _("Could not be tried")


class BackupProof(Errand):
    """One restore of a backup to a throw-away place, compared with what was backed up."""

    backup = models.ForeignKey("releases.Backup", on_delete=models.PROTECT, related_name="proofs")
    attempt = models.ForeignKey("releases.Attempt", null=True, on_delete=models.PROTECT, related_name="+")
    ending = models.CharField(max_length=20, choices=ProofEnding, blank=True)
    seconds = models.FloatField(null=True, help_text="the restore alone")
    differences = models.JSONField(default=list, help_text="sentences")

    class Meta(Errand.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["backup"], condition=models.Q(ended_at__isnull=True), name="backup_proof_one_open"
            ),
            one_of("ending", ["", *ProofEnding.values], "backup_proof_ending_known"),
            _ended_with("backup_proof_ended_with_time"),
        ]
        triggers: list[pgtrigger.Trigger] = frozen_once("backup_proof", "ended_at")

    def __str__(self) -> str:
        return f"{self.backup} proof {self.pk}"


class OrderEnding(models.TextChoices):
    """How an order for a backup ended."""

    TAKEN = "taken", _("Taken")
    FAILED = "failed", _("Failed")
    UNREACHABLE = "unreachable", _("Not reachable")
    IMPOSSIBLE = "impossible", _("Could not be tried")


class BackupOrder(Errand):
    """One step of the runbook that makes backups, carried out by itself: by the button, or by the daily schedule.

    `planned` is the step as the plan of a deployment would have it at that moment; `day` the one, in the environment's
    zone, whose daily backup it is. What it made is proved next where `proves` says so.
    """

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="backup_orders")
    host = models.ForeignKey("releases.Host", null=True, on_delete=models.SET_NULL, related_name="+")
    step_key = models.CharField(max_length=60)
    planned = models.JSONField()
    began_at = models.DateTimeField(null=True, help_text="from when on no deployment may begin, or it is given up")
    day = models.DateField(null=True)
    proves = models.BooleanField(default=True)
    ending = models.CharField(max_length=20, choices=OrderEnding, blank=True)

    class Meta(Errand.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "step_key"],
                condition=models.Q(ended_at__isnull=True),
                name="backup_order_one_open",
            ),
            models.UniqueConstraint(fields=["environment", "step_key", "day"], name="backup_order_once_a_day"),
            one_of("ending", ["", *OrderEnding.values], "backup_order_ending_known"),
            _ended_with("backup_order_ended_with_time"),
        ]
        triggers: list[pgtrigger.Trigger] = frozen_once("backup_order", "ended_at")

    def __str__(self) -> str:
        return f"{self.environment} {self.step_key} {self.pk}"


class ReturnEnding(models.TextChoices):
    """How sending a copy back ended."""

    SENT = "sent", _("Sent back")
    FAILED = "failed", _("Failed")
    UNREACHABLE = "unreachable", _("Not reachable")


class BackupReturn(Errand):
    """The store's copy of a backup on its way back to the place on the host where it was made."""

    backup = models.ForeignKey("releases.Backup", on_delete=models.PROTECT, related_name="returns")
    ending = models.CharField(max_length=20, choices=ReturnEnding, blank=True)

    class Meta(Errand.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["backup"], condition=models.Q(ended_at__isnull=True), name="backup_return_one_open"
            ),
            one_of("ending", ["", *ReturnEnding.values], "backup_return_ending_known"),
            _ended_with("backup_return_ended_with_time"),
        ]
        triggers: list[pgtrigger.Trigger] = frozen_once("backup_return", "ended_at")

    def __str__(self) -> str:
        return f"{self.backup} return {self.pk}"
