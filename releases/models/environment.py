"""An environment: its rules, and the hold that a person may have on it."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases import lifecycle
from releases.models.choices import one_of

if TYPE_CHECKING:
    from releases.models import Deployment


def validate_zone(value: str) -> None:
    """Refuse a time zone name that the tz database does not know."""
    if value not in available_timezones():
        raise ValidationError(
            _("%(value)s is not a time zone; use a name such as Asia/Seoul."), params={"value": value}
        )


class Environment(models.Model):
    """Staging or production: its rules. Hosts, variables, windows and the lock are rows of their own."""

    class Automatic(models.TextChoices):
        """Whether a broken rule rolls a deployment back by itself."""

        OFF = "off", _("Off")
        ASK = "ask", _("After a minute in which a person may say no")
        ON = "on", _("At once")

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="environments")
    key = models.SlugField(_("short name"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    is_production = models.BooleanField(_("production"), default=False)
    zone = models.CharField(_("time zone"), max_length=64, default="Asia/Seoul", validators=[validate_zone])
    runbook = models.ForeignKey("releases.Runbook", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    rollback_runbook = models.ForeignKey(
        "releases.Runbook", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approvals_required = models.PositiveSmallIntegerField(_("approvals required"), default=1)
    approver_not_requester = models.BooleanField(_("requester may not approve"), default=True)
    downtime_budget = models.PositiveIntegerField(_("downtime budget (seconds)"), default=600)
    duration_budget = models.PositiveIntegerField(_("duration budget (seconds)"), default=3600)
    checklist_lifetime = models.PositiveIntegerField(_("checklist valid for (seconds)"), default=86400)
    requests_per_minute = models.PositiveIntegerField(_("traffic (requests per minute)"), default=10)
    automatic_rollback = models.CharField(
        _("automatic rollback"), max_length=10, choices=Automatic, default=Automatic.OFF
    )
    rollback_on_health = models.BooleanField(_("when health checks fail three times in a row"), default=True)
    rollback_on_page = models.BooleanField(_("when a page check of the runbook fails"), default=True)
    rollback_on_log = models.BooleanField(_("when a log shows a critical line"), default=True)
    rollback_on_downtime = models.BooleanField(_("when the downtime is over its budget"), default=True)
    rollback_minutes = models.PositiveSmallIntegerField(
        _("watched after the end (minutes)"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
    )
    backup_proof_hours = models.PositiveSmallIntegerField(
        _("a start needs a proved backup younger than (hours)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(8760)],
    )
    backup_at = models.TimeField(_("daily backup at"), null=True, blank=True)
    backed_up_on = models.DateField(null=True, help_text="the day, in its zone, whose daily backup was ordered")
    backup_problem = models.CharField(max_length=500, blank=True, help_text="why that could not be ordered")
    backup_days = models.PositiveSmallIntegerField(
        _("backups are kept for (days)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
    )
    backups_kept = models.PositiveSmallIntegerField(
        _("and the newest of each thing, whatever their age"),
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
    )
    rehearsed_in = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    rehearsal_days = models.PositiveSmallIntegerField(
        _("a start needs a rollback rehearsed within (days)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
    )
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="environment_key_once"),
            one_of("automatic_rollback", ["off", "ask", "on"], "environment_automatic_known"),
            models.CheckConstraint(
                condition=models.Q(rollback_minutes__range=(1, 1440)), name="environment_rollback_minutes_range"
            ),
            models.CheckConstraint(condition=models.Q(backups_kept__gte=1), name="environment_backups_kept_positive"),
        ]

    def __str__(self) -> str:
        return self.name

    def last_rehearsal(self, *, with_database: bool = False) -> "Deployment | None":
        """The last rollback that succeeded where this environment's are rehearsed, by the same text of the runbook.

        `with_database`: one that restored a database, too.
        """
        if self.rehearsed_in is None or self.rollback_runbook is None:
            return None
        version = self.rollback_runbook.versions.order_by("-number").first()
        rows = self.rehearsed_in.deployments.of_software().filter(status=lifecycle.SUCCEEDED, only_service=None)
        rows = rows.filter(undoes__isnull=False)
        rows = rows.filter(plan__runbook_version__sha256=version.sha256 if version else "")
        if with_database:
            rows = rows.filter(steps__action="restore_database", steps__status=lifecycle.SUCCEEDED)
        return rows.order_by("-finished_at").first()

    def next_window(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The deploy window that is open at `now` or opens next; None when none is set (any time will do)."""
        return min((window.next_after(now) for window in self.windows.all()), default=None)

    def local(self, moment: datetime) -> datetime:
        """The moment (aware, UTC) in this environment's zone."""
        return moment.astimezone(ZoneInfo(self.zone))


class EnvironmentLock(models.Model):
    """A person's hold on an environment: nobody starts a deployment until it ends."""

    environment = models.OneToOneField(Environment, on_delete=models.CASCADE, related_name="lock")
    holder = models.ForeignKey("releases.User", on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(_("reason"), max_length=300)
    since = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(_("until"))

    def __str__(self) -> str:
        return f"{self.environment}: {self.reason}"
