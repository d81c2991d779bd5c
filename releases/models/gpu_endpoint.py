"""A GPU endpoint that a project owns, from its creation to its end. Its `state` is written by endpoints/states.py."""

from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from releases import lifecycle
from releases.models.choices import one_of

PENNIES = {"max_digits": 14, "decimal_places": 6}


class EndpointState(models.TextChoices):
    """Every state of lifecycle.GPU_ENDPOINT with the word shown for it."""

    CREATING = "creating", _("Being created")
    TESTING = "testing", _("Being tested")
    STANDBY = "standby", _("Standby")
    ACTIVE = "active", _("Active")
    RETAINED = "retained", _("Retained")
    RETIRING = "retiring", _("Being retired")
    RETIRED = "retired", _("Retired")
    FAILED = "failed", _("Failed")


class EndpointOrder(models.TextChoices):
    """What shall be done to its workers."""

    STOP = "stop", _("Stop what it costs")
    ALLOW = "allow", _("Give it its workers back")


class GpuEndpointQuerySet(models.QuerySet["GpuEndpoint"]):
    """Questions about many endpoints."""

    def living(self) -> "GpuEndpointQuerySet":
        """Those that may still be there at their provider."""
        return self.exclude(state=EndpointState.RETIRED)


class GpuEndpoint(models.Model):
    """One endpoint. The row is there before the endpoint is, so that nothing that costs money is ever unknown."""

    environment = models.ForeignKey("releases.Environment", on_delete=models.PROTECT, related_name="gpu_endpoints")
    account = models.ForeignKey("releases.GpuAccount", on_delete=models.PROTECT, related_name="endpoints")
    release = models.ForeignKey("releases.Release", null=True, on_delete=models.PROTECT, related_name="gpu_endpoints")
    deployment = models.OneToOneField(
        "releases.Deployment", null=True, on_delete=models.PROTECT, related_name="gpu_endpoint", help_text="made it"
    )
    previous = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="next_ones", help_text="active when it was created"
    )
    ref = models.CharField(_("id at the provider"), max_length=100, blank=True)
    name = models.CharField(_("name"), max_length=191)
    spec = models.JSONField(default=dict, help_text="as endpoints/specs.py writes it; no secret")
    base_url = models.CharField(max_length=500, blank=True, help_text="where OpenAI's routes begin")
    state = models.CharField(max_length=20, choices=EndpointState, default=EndpointState.CREATING)
    state_since = models.DateTimeField(auto_now_add=True)
    problem = models.TextField(blank=True, help_text="why it failed, or what is wrong with it now")
    retained_until = models.DateTimeField(null=True, help_text="after that people are told to retire it")
    min_workers = models.PositiveSmallIntegerField(default=0, help_text="as it should have")
    max_workers = models.PositiveSmallIntegerField(default=0, help_text="as it should have; kept while it is 0 there")
    stopped_at = models.DateTimeField(null=True, help_text="its maximum was set to 0 to end what it costs")
    stopped_because = models.CharField(max_length=500, blank=True)
    price = models.DecimalField(null=True, help_text="USD an hour for one worker", **PENNIES)  # type: ignore[arg-type]
    priced_at = models.DateTimeField(null=True, help_text="when the price was read")
    cost = models.DecimalField(default=Decimal(0), help_text="USD, from workers seen", **PENNIES)  # type: ignore[arg-type]
    billed = models.DecimalField(default=Decimal(0), help_text="USD, as billed", **PENNIES)  # type: ignore[arg-type]
    billed_until = models.DateTimeField(null=True, help_text="the bill was read up to here")
    watched_at = models.DateTimeField(null=True, help_text="when it was last looked at")
    seen = models.JSONField(default=dict, help_text="what was seen then: numbers of workers and jobs, the phase")
    unhealthy_looks = models.PositiveSmallIntegerField(default=0, help_text="in a row with an unhealthy worker")
    looked_since = models.DateTimeField(null=True, help_text="a worker looks at it since then; null: none does")
    alarms = models.JSONField(default=dict, help_text="what the cost guard finds wrong: sentence by its kind")
    order = models.CharField(max_length=10, choices=EndpointOrder, blank=True, help_text="asked for and not done yet")
    order_because = models.CharField(max_length=500, blank=True)
    order_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    order_at = models.DateTimeField(null=True)
    tended_at = models.DateTimeField(null=True, help_text="a worker carries its order out, or retires it, since then")
    proof_asked_at = models.DateTimeField(null=True, help_text="a person wants to see whether it answers")
    proof_asked_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    proof_began_at = models.DateTimeField(null=True, help_text="a worker asks it since then")
    delete_began_at = models.DateTimeField(null=True, help_text="from then on it can't be kept any more")
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    retired_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")

    objects = GpuEndpointQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            one_of("state", lifecycle.GPU_ENDPOINT, "gpu_endpoint_state_known"),
            models.UniqueConstraint(
                fields=["environment"], condition=models.Q(state="active"), name="gpu_endpoint_one_active"
            ),
            models.UniqueConstraint(
                fields=["account", "name"],
                condition=~models.Q(state=lifecycle.RETIRED),
                name="gpu_endpoint_name_once",
            ),
            models.UniqueConstraint(
                fields=["account", "ref"],
                condition=~models.Q(ref="") & ~models.Q(state=lifecycle.RETIRED),
                name="gpu_endpoint_ref_once",
            ),
            one_of("order", ["", *EndpointOrder.values], "gpu_endpoint_order_known"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["standby", "active", "retained"]) | ~models.Q(ref=""),
                name="gpu_endpoint_in_use_has_ref",
            ),
        ]
        indexes = [models.Index(fields=["environment", "-id"], name="gpu_endpoint_by_environment")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_living(self) -> bool:
        """It may still be there at its provider."""
        return self.state != EndpointState.RETIRED

    @property
    def worst_hour(self) -> Decimal | None:
        """USD an hour if all its workers run; None while the price is not known."""
        return None if self.price is None else self.price * self.max_workers
