"""What became of the folders that attempts leave on machines."""

import pgtrigger
from django.db import models

from releases.models.history import append_only


class FolderRemoval(models.Model):
    """An attempt's folder was removed from its machine, or never will be, and why."""

    attempt = models.OneToOneField("releases.Attempt", on_delete=models.PROTECT, related_name="removal")
    at = models.DateTimeField(auto_now_add=True)
    kept_because = models.CharField(max_length=300, blank=True, help_text="empty: it was removed")

    class Meta:
        triggers: list[pgtrigger.Trigger] = append_only("folder_removal")

    def __str__(self) -> str:
        return f"{self.attempt_id} {self.kept_because or 'removed'}"
