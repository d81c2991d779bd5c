"""Copies that a rollback can use."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of


class Removal(models.TextChoices):
    """Why a backup was removed."""

    RETENTION = "retention", _("past its time")
    PERSON = "person", _("removed by hand")
    DISTURBED = "disturbed", _("a deployment began while it was taken")


class BackupQuerySet(models.QuerySet["Backup"]):
    """Questions about many backups."""

    def kept(self) -> "BackupQuerySet":
        """Those that were not removed."""
        return self.filter(removed_at__isnull=True)


class Backup(models.Model):
    """Files or a database dump. `location` is a path on `host`, or under the controller's backup folder.

    The row outlives its bytes: `removed_at` is when it was decided that they go, `erased_at` when they were gone.
    """

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
    order = models.ForeignKey("releases.BackupOrder", null=True, on_delete=models.PROTECT, related_name="backups")
    kind = models.CharField(max_length=20, choices=Kind)
    name = models.CharField(_("name"), max_length=200)
    series = models.CharField(max_length=300, help_text="what copies of the same thing on one host have in common")
    parameters = models.JSONField(
        default=dict, help_text="of a dump: how its database is reached; no secret. Of a file in the store: its rights"
    )
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
    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    removed_because = models.CharField(max_length=20, choices=Removal, blank=True)
    erased_at = models.DateTimeField(null=True)

    objects = BackupQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            one_of("kind", ["files", "database"], "backup_kind_known"),
            models.CheckConstraint(condition=models.Q(sha256__regex=r"^[0-9a-f]{64}$"), name="backup_sha256_shape"),
            models.UniqueConstraint(fields=["attempt", "location"], name="backup_once_per_attempt"),
            one_of("removed_because", ["", *Removal.values], "backup_removal_known"),
            models.CheckConstraint(
                condition=models.Q(removed_because="", removed_at__isnull=True, erased_at__isnull=True)
                | (~models.Q(removed_because="") & models.Q(removed_at__isnull=False)),
                name="backup_removed_with_reason",
            ),
        ]
        indexes = [models.Index(fields=["environment", "-created_at"], name="backup_by_environment")]

    def __str__(self) -> str:
        return self.name
