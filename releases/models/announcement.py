"""What the team and users read."""

import pgtrigger
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import in_reader_language, one_of
from releases.models.history import append_only
from releases.models.text_index import text_indexes


class Announcement(models.Model):
    """A public notice of one environment. Each wording it had is kept as a revision."""

    class State(models.TextChoices):
        """Where the announced work stands."""

        SCHEDULED = "scheduled", _("Scheduled")
        IN_PROGRESS = "in_progress", _("In progress")
        VERIFYING = "verifying", _("Verifying")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    class Kind(models.TextChoices):
        """What it is about."""

        DEPLOY = "deploy", _("Deployment")
        ROLLBACK = "rollback", _("Rollback")
        GPU = "gpu", "GPU"
        MAINTENANCE = "maintenance", _("Maintenance")
        INCIDENT = "incident", _("Incident")

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="announcements")
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.DEPLOY)
    services = models.ManyToManyField("releases.Service", blank=True, related_name="announcements")
    deployment = models.OneToOneField(
        "releases.Deployment", null=True, on_delete=models.PROTECT, related_name="announcement"
    )
    state = models.CharField(max_length=20, choices=State, default=State.SCHEDULED)
    title_ko = models.CharField(max_length=200)
    title_en = models.CharField(max_length=200)
    body_ko = models.TextField(blank=True)
    body_en = models.TextField(blank=True)
    starts_at = models.DateTimeField(null=True, help_text="planned")
    ends_at = models.DateTimeField(null=True, help_text="planned")
    began_at = models.DateTimeField(null=True, help_text="as it was; of a deployment its marks")
    ended_at = models.DateTimeField(null=True, help_text="as it was; of a deployment its marks")
    reminded_at = models.DateTimeField(null=True, help_text="when the reminder for `starts_at` went out")
    follows_wording = models.BooleanField(default=False, help_text="its words are its kind's and change with its state")
    created_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            one_of(
                "state",
                ["scheduled", "in_progress", "verifying", "done", "cancelled"],
                "announcement_state_known",
            ),
            one_of("kind", ["deploy", "rollback", "gpu", "maintenance", "incident"], "announcement_kind_known"),
        ]
        indexes = text_indexes("announcement", "title_ko", "title_en", "body_ko", "body_en")

    def __str__(self) -> str:
        return self.title_en

    def title(self) -> str:
        """The title in the reader's language."""
        return in_reader_language(self.title_ko, self.title_en)

    def body(self) -> str:
        """The text in the reader's language."""
        return in_reader_language(self.body_ko, self.body_en)


class AnnouncementRevision(models.Model):
    """One state and wording an announcement had."""

    announcement = models.ForeignKey(Announcement, on_delete=models.PROTECT, related_name="revisions")
    state = models.CharField(max_length=20, choices=Announcement.State)
    title_ko = models.CharField(max_length=200)
    title_en = models.CharField(max_length=200)
    body_ko = models.TextField(blank=True)
    body_en = models.TextField(blank=True)
    created_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        triggers: list[pgtrigger.Trigger] = append_only("announcement_revision")

    def __str__(self) -> str:
        return f"{self.announcement} ({self.state})"
