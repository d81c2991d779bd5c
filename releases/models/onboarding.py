"""What a new member has done about their first deployment that no other row shows."""

from django.db import models


class Reading(models.Model):
    """A person says: I have read this version of a runbook."""

    user = models.ForeignKey("releases.User", on_delete=models.CASCADE, related_name="readings")
    version = models.ForeignKey("releases.RunbookVersion", on_delete=models.PROTECT, related_name="readings")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "version"], name="reading_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.version}"
