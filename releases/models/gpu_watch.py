"""What was seen of GPU endpoints over time: workers and what they cost, bills, proofs that they answer."""

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of
from releases.models.gpu_endpoint import PENNIES


class GpuSample(models.Model):
    """One look at an endpoint. `seconds`: since the look before, for which `cost` (USD) was reckoned."""

    endpoint = models.ForeignKey("releases.GpuEndpoint", on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    running = models.PositiveSmallIntegerField(default=0)
    idle = models.PositiveSmallIntegerField(default=0)
    initializing = models.PositiveSmallIntegerField(default=0)
    throttled = models.PositiveSmallIntegerField(default=0)
    unhealthy = models.PositiveSmallIntegerField(default=0)
    in_queue = models.PositiveIntegerField(default=0)
    in_progress = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    cost = models.DecimalField(default=Decimal(0), **PENNIES)  # type: ignore[arg-type]

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["endpoint", "at"], name="gpu_sample_by_time")]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.at:%Y-%m-%d %H:%M:%S}"


class GpuBill(models.Model):
    """What the provider billed for one hour of an endpoint, in USD."""

    endpoint = models.ForeignKey("releases.GpuEndpoint", on_delete=models.CASCADE, related_name="bills")
    hour = models.DateTimeField()
    amount = models.DecimalField(**PENNIES)  # type: ignore[arg-type]
    estimate = models.DecimalField(help_text="what our looks came to", **PENNIES)  # type: ignore[arg-type]
    read_at = models.DateTimeField()

    class Meta:
        ordering = ["hour"]
        constraints = [models.UniqueConstraint(fields=["endpoint", "hour"], name="gpu_bill_hour_once")]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.hour:%Y-%m-%d %H}"


class GpuProof(models.Model):
    """One time that an endpoint was asked by its own address and answered, or did not. Times in seconds."""

    class Occasion(models.TextChoices):
        """Why it was asked."""

        DEPLOY = "deploy", _("Deploy")
        ROLLBACK = "rollback", _("Rollback")
        DAILY = "daily", _("Daily check")
        PERSON = "person", _("By hand")

    endpoint = models.ForeignKey("releases.GpuEndpoint", on_delete=models.CASCADE, related_name="proofs")
    attempt = models.ForeignKey("releases.Attempt", null=True, on_delete=models.PROTECT, related_name="+")
    occasion = models.CharField(max_length=20, choices=Occasion)
    at = models.DateTimeField()
    passed = models.BooleanField()
    was_cold = models.BooleanField(help_text="no worker was ready before the first question")
    first = models.FloatField(null=True, help_text="until the first answer")
    warm = models.FloatField(null=True, help_text="the slowest of those asked one after the other")
    together = models.FloatField(null=True, help_text="the slowest of those asked at once")
    at_once = models.PositiveSmallIntegerField(default=0)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["at"]
        constraints = [one_of("occasion", ["deploy", "rollback", "daily", "person"], "gpu_proof_occasion_known")]
        indexes = [models.Index(fields=["endpoint", "at"], name="gpu_proof_by_time")]

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.at:%Y-%m-%d %H:%M:%S}"
