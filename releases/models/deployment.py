"""One execution of a plan, and who drives it."""

from datetime import datetime, timedelta

from django.db import models

from releases import lifecycle
from releases.models.choices import DeploymentKind, Status, one_of
from releases.models.deployment_questions import GPU_KINDS, DeploymentQuerySet
from releases.models.text_index import text_indexes

BY_ITSELF = "Cloud Wiki"


class Deployment(models.Model):
    """One execution of a plan. Status is written by `releases.engine` alone."""

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="deployments")
    release = models.ForeignKey("releases.Release", on_delete=models.PROTECT, related_name="deployments")
    plan = models.ForeignKey("releases.Plan", on_delete=models.PROTECT, related_name="deployments")
    kind = models.CharField(max_length=20, choices=DeploymentKind, default=DeploymentKind.DEPLOY)
    undoes = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="rollbacks", help_text="what this rollback undoes"
    )
    undoes_first = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", help_text="of several, the earliest; null: one"
    )
    only_service = models.ForeignKey(
        "releases.Service", null=True, on_delete=models.PROTECT, related_name="+", help_text="of a partial rollback"
    )
    status = models.CharField(max_length=20, choices=Status, default=Status.DRAFT)
    version = models.PositiveBigIntegerField(default=0, help_text="grows with every change a screen must show")
    idempotency_key = models.CharField(max_length=64, unique=True)
    requested_by = models.ForeignKey(
        "releases.User", null=True, on_delete=models.PROTECT, related_name="+", help_text="null: a rule (recovery.py)"
    )
    started_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    cancelled_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    downtime_opened_at = models.DateTimeField(null=True, help_text="the mark: the opening step started")
    downtime_closed_at = models.DateTimeField(null=True, help_text="the mark: the closing step ended")
    lost_requests = models.PositiveIntegerField(null=True, help_text="at the environment's stated traffic")
    downtime_measured = models.FloatField(null=True, help_text="seconds, by probes; set when finished")
    error = models.TextField(blank=True, help_text="why it stopped, in one sentence")

    objects = DeploymentQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            one_of("status", lifecycle.DEPLOYMENT, "deployment_status_known"),
            one_of("kind", DeploymentKind.values, "deployment_kind_known"),
            models.UniqueConstraint(
                fields=["environment"],
                condition=models.Q(status__in=sorted(lifecycle.ACTIVE)),
                name="deployment_one_active",
            ),
            models.CheckConstraint(
                condition=models.Q(status="draft") | models.Q(started_at__isnull=False) | models.Q(status="cancelled"),
                name="deployment_started_when_run",
            ),
            models.CheckConstraint(
                condition=models.Q(undoes__isnull=False)
                | models.Q(undoes_first__isnull=True, only_service__isnull=True),
                name="deployment_way_back_of_rollback",
            ),
        ]
        indexes = [
            models.Index(fields=["environment", "-id"], name="deployment_by_environment"),
            models.Index(fields=["status"], name="deployment_by_status"),
            models.Index(fields=["-started_at"], name="deployment_by_start"),
            models.Index(fields=["environment", "started_at"], name="deployment_in_period"),
            models.Index(fields=["undoes"], condition=models.Q(kind="rollback"), name="deployment_rollbacks"),
            *text_indexes("deployment", "error", only=~models.Q(error="")),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def requested_name(self) -> str:
        """Who asked for it; Cloud Wiki itself, where a rule did."""
        return str(self.requested_by) if self.requested_by else BY_ITSELF

    @property
    def started_name(self) -> str:
        """Who started it."""
        return str(self.started_by) if self.started_by else BY_ITSELF

    @property
    def is_gpu(self) -> bool:
        """It is about a GPU endpoint."""
        return self.kind in GPU_KINDS

    @property
    def is_active(self) -> bool:
        """It holds its environment."""
        return self.status in lifecycle.ACTIVE

    @property
    def is_finished(self) -> bool:
        """It ended, well or not."""
        return self.status in lifecycle.FINISHED

    def elapsed(self, now: datetime) -> timedelta | None:
        """Time from the start to the end, or to `now` while it runs; None before the start."""
        if self.started_at is None:
            return None
        return (self.finished_at or now) - self.started_at

    def seconds_taken(self) -> float | None:
        """Seconds from start to end; None until it ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()

    def downtime_state(self) -> str:
        """How the measured downtime stands against the budget: "failed" over it, "waiting" from 80 %, else ""."""
        budget = self.environment.downtime_budget
        if self.downtime_measured is None or self.downtime_measured < 0.8 * budget:
            return ""
        return "failed" if self.downtime_measured > budget else "waiting"

    def marked_downtime(self, now: datetime) -> timedelta | None:
        """Time between the runbook's downtime marks; None when no mark was reached."""
        if self.downtime_opened_at is None:
            return None
        return (self.downtime_closed_at or self.finished_at or now) - self.downtime_opened_at


class Lease(models.Model):
    """Which worker drives a deployment, and until when (database clock). Every write of a driver carries `token`."""

    deployment = models.OneToOneField(Deployment, on_delete=models.CASCADE, related_name="lease", primary_key=True)
    owner = models.CharField(max_length=120, blank=True)
    token = models.BigIntegerField(default=0)
    until = models.DateTimeField(null=True)
    freed_at = models.DateTimeField(null=True, help_text="when a driver last gave it back")

    def __str__(self) -> str:
        return f"{self.owner} until {self.until}"
