"""What the checks of the seed's eight views (3.2.2) found, and what people make of it."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from releases.models.choices import in_reader_language, one_of
from releases.models.history import append_only


class Seen(models.TextChoices):
    """What a check saw the last time."""

    OK = "ok", _("In order")
    WARNING = "warning", _("Warning")
    RISK = "risk", _("Risk")
    NOT_KNOWN = "not_known", _("Not known")


class RiskState(models.TextChoices):
    """What became of what was seen. Only a check that sees it in order mends a risk."""

    CLEAR = "clear", _("Nothing found")
    OPEN = "open", _("Open")
    ACCEPTED = "accepted", _("Accepted")
    MENDED = "mended", _("Mended")


class Risk(models.Model):
    """One check of one thing, with what it saw last. Texts are kept in both languages: {"ko", "en"}."""

    project = models.ForeignKey("releases.Project", on_delete=models.PROTECT, related_name="risks")
    environment = models.ForeignKey("releases.Environment", null=True, on_delete=models.SET_NULL, related_name="risks")
    host = models.ForeignKey("releases.Host", null=True, on_delete=models.SET_NULL, related_name="risks")
    kind = models.CharField(max_length=40, help_text="the check, by its name in releases/risks/registry.py")
    view = models.CharField(max_length=20, help_text="one of the eight, by its name in releases/risks/seed.py")
    position = models.PositiveSmallIntegerField(default=0, help_text="the check's place on the page")
    target = models.CharField(max_length=200, help_text="what was looked at, the same at every look")
    name = models.CharField(max_length=200, help_text="the same for people")
    seen = models.CharField(max_length=20, choices=Seen, default=Seen.NOT_KNOWN)
    said = models.JSONField(default=dict, help_text="what was found, in a sentence")
    evidence = models.JSONField(default=list, help_text="lines: [{label, value}]")
    mend = models.JSONField(default=dict, help_text="what to do about it")
    state = models.CharField(max_length=20, choices=RiskState, default=RiskState.CLEAR)
    owner = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="risks")
    is_gone = models.BooleanField(default=False, help_text="what was looked at is not there any more")
    looked_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    mended_at = models.DateTimeField(null=True)
    accepted_until = models.DateTimeField(null=True)
    accepted_because = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        ordering = ["position", "name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "target"], name="risk_once"),
            one_of("seen", Seen.values, "risk_seen_known"),
            one_of("state", RiskState.values, "risk_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state="accepted")
                | (models.Q(accepted_until__isnull=False) & ~models.Q(accepted_because="")),
                name="risk_accepted_with_reason",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="mended") | models.Q(mended_at__isnull=False), name="risk_mended_with_time"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="open") | models.Q(opened_at__isnull=False), name="risk_opened_with_time"
            ),
        ]
        indexes = [models.Index(fields=["project", "state"], name="risk_by_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"[:200]

    def sentence(self) -> str:
        """What was found, in the reader's language."""
        return in_reader_language(self.said.get("ko", ""), self.said.get("en", ""))


class RiskEvent(models.Model):
    """One thing that happened to a risk: seen otherwise, opened, accepted, given to somebody, mended."""

    risk = models.ForeignKey(Risk, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField(db_default=Now())
    kind = models.CharField(max_length=20)
    seen = models.CharField(max_length=20, choices=Seen)
    by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    said = models.JSONField(default=dict, help_text="the sentence of the check then")
    note = models.CharField(max_length=500, blank=True)
    until = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at", "-pk"]
        triggers: list[pgtrigger.Trigger] = append_only("risk_event")
        indexes = [models.Index(fields=["risk", "-at"], name="risk_event_by_risk")]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.kind}"


class RiskRound(models.Model):
    """The last time that all of a project was looked at; one worker at a time is at it."""

    project = models.OneToOneField("releases.Project", on_delete=models.CASCADE, related_name="risk_round")
    asked_at = models.DateTimeField(null=True)
    asked_by = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="+")
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.project_id} {self.ended_at}"


class HostLooks(models.Model):
    """What checks look at on a host, and whether they may. Off until a person who read the commands switches it on."""

    host = models.OneToOneField("releases.Host", on_delete=models.CASCADE, related_name="looks")
    ports = models.JSONField(_("database ports"), default=list)
    folders = models.JSONField(_("folders in which .env files are searched"), default=list)
    files = models.JSONField(_("further files with secrets"), default=list)
    units = models.JSONField(_("systemd units"), default=list)
    digest = models.CharField(max_length=64, blank=True, help_text="of the commands that were agreed to; empty: off")
    switched_by = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="+")
    switched_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.host}"
