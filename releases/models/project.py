"""A project, its services and its environments."""

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of


def validate_zone(value: str) -> None:
    """Refuse a time zone name that the tz database does not know."""
    if value not in available_timezones():
        raise ValidationError(
            _("%(value)s is not a time zone; use a name such as Asia/Seoul."), params={"value": value}
        )


class Project(models.Model):
    """What a team ships together."""

    slug = models.SlugField(_("short name"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=80)
    repository = models.CharField(
        _("Git repository"),
        max_length=500,
        blank=True,
        help_text=_("Folder on the controller, or an address to clone."),
    )
    workspace_folder = models.CharField(
        _("workspace"), max_length=500, blank=True, help_text=_("Folder on the controller where the code is built.")
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def workspace(self) -> str:
        """The folder on the controller in which builds run and artifacts are found."""
        return self.workspace_folder or str(settings.WORKSPACE_DIR / self.slug)


class Service(models.Model):
    """A deployable part of a project."""

    class Kind(models.TextChoices):
        """What sort of part it is."""

        BACKEND = "backend", _("Backend")
        FRONTEND = "frontend", _("Frontend")
        DATABASE = "database", _("Database")
        PROXY = "proxy", _("Proxy")
        AI = "ai", _("AI")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="services")
    key = models.SlugField(_("short name"), max_length=40)
    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="service_key_once"),
            one_of("kind", ["backend", "frontend", "database", "proxy", "ai"], "service_kind_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Environment(models.Model):
    """Staging or production: its rules. Hosts, variables, windows and the lock are rows of their own."""

    class Automatic(models.TextChoices):
        """Whether a broken rule rolls a deployment back by itself."""

        OFF = "off", _("Off")
        ASK = "ask", _("After a minute in which a person may say no")
        ON = "on", _("At once")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="environments")
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
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="environment_key_once"),
            one_of("automatic_rollback", ["off", "ask", "on"], "environment_automatic_known"),
            models.CheckConstraint(
                condition=models.Q(rollback_minutes__range=(1, 1440)), name="environment_rollback_minutes_range"
            ),
        ]

    def __str__(self) -> str:
        return self.name

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
