"""Telling people outside of the pages: channels, what is to be told, its deliveries, the words of each kind."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from releases.models.announcement import Announcement
from releases.models.choices import in_reader_language, one_of
from releases.models.history import append_only


class Event(models.TextChoices):
    """What a channel may hear of."""

    SCHEDULED = "scheduled", _("Announced")
    REMINDER = "reminder", _("Reminder, 10 minutes before")
    POSTPONED = "postponed", _("Planned time changed")
    IN_PROGRESS = "in_progress", _("Begun")
    TROUBLE = "trouble", _("Stopped by a problem")
    VERIFYING = "verifying", _("Back, being verified")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    EDITED = "edited", _("Wording changed, told again")
    TEAM = "team", _("For the team: thresholds crossed, risks opened")
    TEST = "test", _("Test message")


class Channel(models.Model):
    """A way to people, with its address as ciphertext: it is never shown again."""

    class Kind(models.TextChoices):
        """How messages travel."""

        EMAIL = "email", _("E-mail")
        CHAT = "chat", _("Chat or webhook")

    class Audience(models.TextChoices):
        """Who reads there. Users hear of production alone, and nothing that is for the team."""

        USERS = "users", _("Users")
        TEAM = "team", _("Team")

    class Language(models.TextChoices):
        """In which language it speaks."""

        KO = "ko", _("Korean")
        EN = "en", _("English")

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.CHAT)
    ciphertext = models.BinaryField(default=bytes, editable=False)
    hint = models.CharField(max_length=120, editable=False, help_text="what of the address may be shown")
    language = models.CharField(_("language"), max_length=5, choices=Language, default=Language.KO)
    audience = models.CharField(_("readers"), max_length=10, choices=Audience, default=Audience.TEAM)
    events = models.JSONField(_("hears"), default=list, blank=True)
    enabled = models.BooleanField(_("on"), default=True)
    removed_at = models.DateTimeField(null=True, editable=False, help_text="its address is gone from then on")
    updated_by = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(removed_at__isnull=True),
                name="channel_name_once",
                violation_error_message=_("This project has a channel with this name already."),
            ),
            one_of("kind", ["email", "chat"], "channel_kind_known"),
            one_of("language", ["ko", "en"], "channel_language_known"),
            one_of("audience", ["users", "team"], "channel_audience_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """What is told once, in both languages. Kept as it was told."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="notices")
    announcement = models.ForeignKey(Announcement, null=True, on_delete=models.PROTECT, related_name="notices")
    event = models.CharField(max_length=40)
    subject_ko = models.CharField(max_length=250)
    subject_en = models.CharField(max_length=250)
    text_ko = models.TextField()
    text_en = models.TextField()
    link = models.CharField(max_length=500, blank=True, help_text="a path of ours, or a whole address")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        triggers = append_only("notice")

    def __str__(self) -> str:
        return in_reader_language(self.subject_ko, self.subject_en)


class Delivery(models.Model):
    """A notice on its way to one channel. These rows are the outbox: pending ones are sent in their order."""

    class State(models.TextChoices):
        """Where it is."""

        PENDING = "pending", _("Pending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, related_name="deliveries")
    channel = models.ForeignKey(Channel, on_delete=models.PROTECT, related_name="deliveries")
    key = models.UUIDField(default=uuid.uuid4, editable=False, help_text="of the mail: the same in each attempt")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(db_default=Now(), help_text="not tried before")
    claimed_until = models.DateTimeField(null=True, help_text="a worker is at it until then")
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True, help_text="why the last attempt failed, in English; no secret")
    detail = models.CharField(max_length=300, blank=True, help_text="what goes into the %s of that")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["notice", "channel"], name="delivery_once_per_channel"),
            one_of("state", ["pending", "sent", "failed"], "delivery_state_known"),
        ]
        indexes = [
            models.Index(fields=["channel", "id"], condition=models.Q(state="pending"), name="delivery_waiting"),
            models.Index(fields=["channel", "-id"], name="delivery_by_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.notice} → {self.channel}"

    def why(self) -> str:
        """Why the last attempt failed, in the reader's language; "" where it did not."""
        said = gettext(self.error) if self.error else ""
        return said % self.detail if self.detail else said
