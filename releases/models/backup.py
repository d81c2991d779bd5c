"""Copies that a rollback can use."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of
from releases.models.history import frozen_once


class Backup(models.Model):
    """Files or a database dump. `location` is a path on `host`, or under the controller's backup folder."""

    class Kind(models.TextChoices):
        """What was copied."""

        FILES = "files", _("Files")
        DATABASE = "database", _("Database")

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="backups")
    service = models.ForeignKey("releases.Service", null=True, on_delete=models.SET_NULL, related_name="backups")
    host = models.ForeignKey("releases.Host", null=True, on_delete=models.SET_NULL, related_name="backups")
    release = models.ForeignKey("releases.Release", null=True, on_delete=models.PROTECT, related_name="backups")
    deployment = models.ForeignKey("releases.Deployment", null=True, on_delete=models.PROTECT, related_name="backups")
    attempt = models.ForeignKey("releases.Attempt", null=True, on_delete=models.PROTECT, related_name="backups")
    kind = models.CharField(max_length=20, choices=Kind)
    name = models.CharField(_("name"), max_length=200)
    location = models.CharField(max_length=500)
    copy_location = models.CharField(
        max_length=500, blank=True, help_text="in the controller's backup folder; empty: none"
    )
    is_folder = models.BooleanField(default=False, help_text="of files: its digest is that of the folder's listing")
    size = models.PositiveBigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    seconds = models.FloatField(help_text="how long it took")
    facts = models.JSONField(null=True, help_text="what the database held (actions/fingerprint.py); null: not known")
    proved_at = models.DateTimeField(null=True, help_text="when a restore of it was last proved")
    refuted_at = models.DateTimeField(null=True, help_text="when it was found that it can't be restored")
    restore_seconds = models.FloatField(null=True, help_text="how long that restore took")
    created_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            one_of("kind", ["files", "database"], "backup_kind_known"),
            models.CheckConstraint(condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"), name="backup_sha256_shape"),
            models.UniqueConstraint(fields=["attempt", "location"], name="backup_once_per_attempt"),
        ]
        indexes = [models.Index(fields=["environment", "-created_at"], name="backup_by_environment")]

    def __str__(self) -> str:
        return self.name

    @property
    def series(self) -> str:
        """What tells copies of the same thing from copies of another: of files the name, of dumps the step."""
        return self.name if self.kind == self.Kind.FILES else (self.attempt.step.key if self.attempt else self.name)


class ProofEnding(models.TextChoices):
    """How the proof of a backup ended."""

    PROVED = "proved", _("Proved")
    REFUTED = "refuted", _("Not restorable")
    UNREACHABLE = "unreachable", _("Not reachable")
    IMPOSSIBLE = "impossible", _("Could not be tried")


class BackupProof(models.Model):
    """One restore of a backup to a throw-away place, compared with what was backed up. Kept as it is once ended.

    `remote_id` names its folder on the machine, so that a worker that takes it up finds what another one began.
    """

    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="proofs")
    attempt = models.ForeignKey("releases.Attempt", null=True, on_delete=models.PROTECT, related_name="+")
    remote_id = models.CharField(max_length=80, unique=True)
    asked_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(null=True, help_text="when a worker was last at it")
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=20, choices=ProofEnding, blank=True)
    seconds = models.FloatField(null=True, help_text="the restore alone")
    problem = models.CharField(max_length=500, blank=True, help_text="why it is not proved, in one sentence")
    differences = models.JSONField(default=list, help_text="sentences")
    output = models.TextField(blank=True, help_text="what the programs printed, secrets masked")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["backup"], condition=models.Q(ended_at__isnull=True), name="backup_proof_one_open"
            ),
            one_of("ending", ["", *ProofEnding.values], "backup_proof_ending_known"),
            models.CheckConstraint(
                condition=models.Q(ending="", ended_at__isnull=True)
                | (~models.Q(ending="") & models.Q(ended_at__isnull=False)),
                name="backup_proof_ended_with_time",
            ),
        ]
        triggers: list[pgtrigger.Trigger] = frozen_once("backup_proof", "ended_at")

    def __str__(self) -> str:
        return f"{self.backup} proof {self.pk}"
