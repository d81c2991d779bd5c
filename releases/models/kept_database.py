"""Databases that a restore took out of service: what was written since the backup is in them alone."""

import uuid

from django.db import models

from releases.models.backup import Removal
from releases.models.choices import one_of


def drop_name() -> str:
    """A name for one try to drop one, on the machine that reaches it."""
    return f"drop-{uuid.uuid4().hex}"


class KeptDatabase(models.Model):
    """The database that a rollback renamed to make room for the restored one. It is no backup and none is made of it.

    The row outlives it: `removed_at` is when it was decided that it goes, `erased_at` when it was dropped.
    """

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="kept_databases")
    host = models.ForeignKey("releases.Host", null=True, on_delete=models.SET_NULL, related_name="+")
    runs_on = models.CharField(max_length=60, help_text="the role of the machine that reached it, or the controller")
    deployment = models.ForeignKey("releases.Deployment", on_delete=models.PROTECT, related_name="kept_databases")
    attempt = models.OneToOneField("releases.Attempt", on_delete=models.PROTECT, related_name="kept_database")
    name = models.CharField(max_length=63)
    database = models.CharField(max_length=63, help_text="the live one, whose name it had")
    parameters = models.JSONField(default=dict, help_text="how its server is reached; no secret")
    oid = models.PositiveBigIntegerField(null=True, help_text="its number in its server, read after the swap")
    comment_md5 = models.CharField(max_length=32, blank=True, help_text="of its comment then, in hex")
    size = models.PositiveBigIntegerField(null=True, help_text="bytes then")
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    removed_because = models.CharField(max_length=20, choices=Removal, blank=True)
    erased_at = models.DateTimeField(null=True)
    remote_id = models.CharField(
        max_length=80, default=drop_name, help_text="names the try to drop it on the machine; another once it ended"
    )
    problem = models.CharField(max_length=500, blank=True, help_text="why it could not be dropped, the last time")

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=models.F("database")), name="kept_database_is_not_live"),
            models.CheckConstraint(
                condition=models.Q(name__regex=r"_before_[0-9a-f]{8}$"), name="kept_database_name_shape"
            ),
            one_of("removed_because", ["", *Removal.values], "kept_database_removal_known"),
            models.CheckConstraint(
                condition=models.Q(removed_because="", removed_at__isnull=True, erased_at__isnull=True)
                | (~models.Q(removed_because="") & models.Q(removed_at__isnull=False)),
                name="kept_database_removed_with_reason",
            ),
        ]
        indexes = [models.Index(fields=["environment", "-created_at"], name="kept_database_by_env")]

    def __str__(self) -> str:
        return self.name
