"""What a person saw who looked at a step of unknown outcome."""

import pgtrigger
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of
from releases.models.history import frozen_once


class LookEnding(models.TextChoices):
    """How it ended: the command's own end, or why there is none."""

    EXITED = "exited", _("Ended")
    TIMED_OUT = "timed_out", _("Took too long")
    UNREACHABLE = "unreachable", _("Not reachable")
    IMPOSSIBLE = "impossible", _("Could not look")


class Look(models.Model):
    """One run of a step's probe command, asked for by a person. It changes no status; once ended it is kept as it is.

    `remote_id` names its folder on the machine, so that a worker that takes it up finds what another one began.
    """

    step = models.ForeignKey("releases.Step", on_delete=models.PROTECT, related_name="looks")
    attempt = models.ForeignKey("releases.Attempt", on_delete=models.PROTECT, related_name="looks")
    remote_id = models.CharField(max_length=64, unique=True)
    host_name = models.CharField(max_length=60, blank=True, help_text="as it was; empty for the controller")
    asked_by = models.ForeignKey("releases.User", on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    began_at = models.DateTimeField(null=True, help_text="when a worker took it up")
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=20, choices=LookEnding, blank=True)
    exit_code = models.IntegerField(null=True)
    output = models.TextField(blank=True, help_text="secrets masked, without colours")
    is_cut = models.BooleanField(default=False, help_text="it printed more than is kept")
    problem = models.CharField(max_length=500, blank=True, help_text="why there is no exit code")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["step"], condition=models.Q(ended_at__isnull=True), name="look_one_open_per_step"
            ),
            one_of("ending", ["", *LookEnding.values], "look_ending_known"),
            models.CheckConstraint(
                condition=models.Q(ending="", ended_at__isnull=True)
                | (~models.Q(ending="") & models.Q(ended_at__isnull=False)),
                name="look_ended_with_time",
            ),
        ]
        triggers: list[pgtrigger.Trigger] = frozen_once("look", "ended_at")

    def __str__(self) -> str:
        return f"{self.step} look {self.pk}"

    @property
    def seconds(self) -> float | None:
        """Seconds from the moment a worker took it up to its end; None before."""
        if self.began_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.began_at).total_seconds()
