"""What a host was planned to need, and what was read from it."""

from typing import Final

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of

PERCENT: Final = [MaxValueValidator(6400, _("Give percent of the whole machine, such as 20."))]


class HostWatch(models.Model):
    """Whether a host is read, and how; off unless a person switched it on. `began_at`: one worker reads it now."""

    class Database(models.TextChoices):
        """How its connections are counted."""

        PROCESSES = "processes", _("by its processes")
        PSQL = "psql", _("by psql as the login")
        SUDO = "sudo", _("by psql as postgres, with sudo")

    host = models.OneToOneField("releases.Host", on_delete=models.CASCADE, related_name="watch")
    is_on = models.BooleanField(_("read this host every few minutes"), default=False)
    instance = models.CharField(_("instance type"), max_length=60, blank=True)
    database = models.CharField(
        _("connections of PostgreSQL"), max_length=20, choices=Database, default=Database.PROCESSES
    )
    max_connections = models.PositiveIntegerField(
        _("connections allowed, where psql can't ask"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    paths = models.CharField(_("folders whose disks are looked at"), max_length=400, default="/")
    asked_at = models.DateTimeField(null=True, editable=False)
    asked_by = models.ForeignKey(
        "releases.User", null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    began_at = models.DateTimeField(null=True, editable=False, help_text="since when a worker is at it")
    due_at = models.DateTimeField(null=True, editable=False, help_text="when beat orders the next reading")

    def __str__(self) -> str:
        return str(self.host)


class Component(models.Model):
    """A part of the software on a host: its plan, and how its processes are told from others."""

    class Match(models.TextChoices):
        """By what."""

        UNIT = "unit", _("systemd unit")
        COMMAND = "command", _("words of the command line")
        USER = "user", _("user")
        REST = "rest", _("everything else")

    host = models.ForeignKey("releases.Host", on_delete=models.CASCADE, related_name="components")
    name = models.CharField(_("name"), max_length=60)
    match = models.CharField(_("told by"), max_length=20, choices=Match)
    value = models.CharField(_("which is"), max_length=200, blank=True)
    memory_low = models.PositiveIntegerField(_("planned memory (MB)"), null=True, blank=True)
    memory_high = models.PositiveIntegerField(_("up to (MB)"), null=True, blank=True)
    cpu_low = models.PositiveSmallIntegerField(_("planned CPU (%)"), null=True, blank=True, validators=PERCENT)
    cpu_high = models.PositiveSmallIntegerField(_("up to (%)"), null=True, blank=True, validators=PERCENT)
    note = models.CharField(_("note"), max_length=200, blank=True)
    position = models.PositiveSmallIntegerField(_("place in the table"), default=0)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["host", "name"], name="component_name_once"),
            models.UniqueConstraint(fields=["host"], condition=models.Q(match="rest"), name="component_one_rest"),
            one_of("match", ["unit", "command", "user", "rest"], "component_match_known"),
            models.CheckConstraint(
                condition=models.Q(match="rest", value="") | ~models.Q(match="rest") & ~models.Q(value=""),
                name="component_has_its_mark",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CapacitySample(models.Model):
    """One reading, or why there is none. Bytes and percent of the whole machine; null is "not known", never zero."""

    host = models.ForeignKey("releases.Host", on_delete=models.CASCADE, related_name="capacity_samples")
    at = models.DateTimeField()
    problem = models.CharField(max_length=500, blank=True, help_text="why nothing could be read")
    cpus = models.PositiveSmallIntegerField(null=True)
    cpu = models.FloatField(null=True)
    ticks = models.JSONField(default=dict, help_text="counters for the next reading: boot, busy, total")
    memory_total = models.BigIntegerField(null=True)
    memory_used = models.BigIntegerField(null=True)
    disks = models.JSONField(default=list, help_text="of each folder: path, total, used (bytes)")
    connections = models.PositiveIntegerField(null=True)
    max_connections = models.PositiveIntegerField(null=True)
    uptime = models.FloatField(null=True, help_text="seconds")
    load = models.FloatField(null=True, help_text="of the last 15 minutes")
    components = models.JSONField(default=dict, help_text="by number: memory (bytes), basis, cpu (%), processes")
    missing = models.JSONField(default=list, help_text="codes of what could not be read")

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["host", "at"], name="capacity_by_time")]

    def __str__(self) -> str:
        return f"{self.host_id} {self.at:%Y-%m-%d %H:%M:%S}"


class CapacityHour(models.Model):
    """The readings of one hour in short, kept longer than they are."""

    host = models.ForeignKey("releases.Host", on_delete=models.CASCADE, related_name="capacity_hours")
    hour = models.DateTimeField()
    readings = models.PositiveSmallIntegerField(help_text="that told something")
    failed = models.PositiveSmallIntegerField(default=0)
    cpu = models.FloatField(null=True, help_text="mean percent of the whole machine")
    cpu_most = models.FloatField(null=True)
    memory_share = models.FloatField(null=True, help_text="the most, percent of what the machine has")
    disk_share = models.FloatField(null=True, help_text="the most, percent, of its fullest disk")
    connection_share = models.FloatField(null=True, help_text="the most, percent of max_connections")

    class Meta:
        ordering = ["hour"]
        constraints = [models.UniqueConstraint(fields=["host", "hour"], name="capacity_hour_once")]

    def __str__(self) -> str:
        return f"{self.host_id} {self.hour:%Y-%m-%d %H}"
