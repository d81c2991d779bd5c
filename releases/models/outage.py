"""Probes, their answers, and the intervals in which they failed."""

from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Probe(models.Model):
    """A service's health URL in one environment. With a host, it is asked from there over SSH (localhost URLs)."""

    environment = models.ForeignKey("releases.Environment", on_delete=models.CASCADE, related_name="probes")
    service = models.ForeignKey("releases.Service", on_delete=models.CASCADE, related_name="probes")
    host = models.ForeignKey("releases.Host", null=True, blank=True, on_delete=models.CASCADE, related_name="probes")
    url = models.URLField(_("health URL"), max_length=500)
    expected_status = models.PositiveSmallIntegerField(_("expected status"), default=200)
    expected_text = models.CharField(_("expected text"), max_length=200, blank=True)
    timeout = models.FloatField(_("time limit (seconds)"), default=2.0)
    enabled = models.BooleanField(_("on"), default=True)

    class Meta:
        ordering = ["service__position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "service"], name="probe_once_per_service"),
            models.CheckConstraint(condition=models.Q(timeout__gt=0, timeout__lte=30), name="probe_timeout_range"),
        ]

    def __str__(self) -> str:
        return self.url


class ProbeResult(models.Model):
    """One answer (or none) of a probe."""

    probe = models.ForeignKey(Probe, on_delete=models.CASCADE, related_name="results")
    at = models.DateTimeField(help_text="when the request was sent")
    ok = models.BooleanField()
    milliseconds = models.FloatField()
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["probe", "-at"], name="probe_result_recent")]

    def __str__(self) -> str:
        return f"{self.probe_id} {self.at} {'ok' if self.ok else self.detail}"


class Outage(models.Model):
    """An interval in which a probe failed: from the first failed request to the first good one after it."""

    probe = models.ForeignKey(Probe, on_delete=models.CASCADE, related_name="outages")
    deployment = models.ForeignKey("releases.Deployment", null=True, on_delete=models.PROTECT, related_name="outages")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    planned = models.BooleanField(default=False)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["probe"], condition=models.Q(ended_at__isnull=True), name="outage_one_open_per_probe"
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True) | models.Q(ended_at__gte=models.F("started_at")),
                name="outage_ends_after_start",
            ),
        ]
        indexes = [
            models.Index(fields=["probe", "started_at"], condition=models.Q(planned=False), name="outage_unplanned")
        ]

    def __str__(self) -> str:
        return f"{self.probe_id} {self.started_at} - {self.ended_at}"


class Coverage(models.Model):
    """A stretch of time in which a probe was asked without a gap; answers themselves are kept for a day only."""

    probe = models.ForeignKey(Probe, on_delete=models.CASCADE, related_name="coverage")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["-ended_at"]
        indexes = [models.Index(fields=["probe", "-ended_at"], name="coverage_recent")]
        constraints = [
            models.UniqueConstraint(fields=["probe", "began_at"], name="coverage_begins_once"),
            models.CheckConstraint(condition=models.Q(ended_at__gte=models.F("began_at")), name="coverage_has_order"),
        ]

    def __str__(self) -> str:
        return f"{self.probe_id} {self.began_at} - {self.ended_at}"


class Heartbeat(models.Model):
    """When a background process last said that it is alive (database clock)."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField(db_default=Now())
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def beat(name: str, **detail: Any) -> None:
        """Say that `name` is alive, and what it has to tell (JSON)."""
        row = Heartbeat(name=name, at=Now(), detail=detail)
        changed = ["at", "detail"]
        Heartbeat.objects.bulk_create([row], update_conflicts=True, unique_fields=["name"], update_fields=changed)
