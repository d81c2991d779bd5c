"""Copies that a rollback can use."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of


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
    size = models.PositiveBigIntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    seconds = models.FloatField(help_text="how long it took")
    proved_at = models.DateTimeField(null=True, help_text="when a restore of it was last proved")
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
