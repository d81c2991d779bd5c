"""The words that announcements of a kind begin with, where a project has its own."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.announcement import Announcement
from releases.models.choices import one_of


class Stage(models.TextChoices):
    """What a wording is for: a state of an announcement, or a stop by a problem."""

    SCHEDULED = "scheduled", _("Scheduled")
    IN_PROGRESS = "in_progress", _("In progress")
    TROUBLE = "trouble", _("Stopped by a problem")
    VERIFYING = "verifying", _("Verifying")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class Wording(models.Model):
    """A project's own words for one kind and stage; without a row the shipped ones hold (notices/shipped.py)."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="wordings")
    kind = models.CharField(max_length=20, choices=Announcement.Kind)
    stage = models.CharField(max_length=20, choices=Stage)
    title_ko = models.CharField(_("title in Korean"), max_length=150)
    title_en = models.CharField(_("title in English"), max_length=150)
    body_ko = models.TextField(_("text in Korean"), blank=True)
    body_en = models.TextField(_("text in English"), blank=True)
    updated_by = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["kind", "stage"]
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "stage"], name="wording_once"),
            one_of("kind", Announcement.Kind.values, "wording_kind_known"),
            one_of("stage", Stage.values, "wording_stage_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_stage_display()}"
