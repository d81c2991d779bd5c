"""How much is asked of a project: what was assumed when its machines were chosen, and what was measured."""

from typing import TYPE_CHECKING

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of

if TYPE_CHECKING:
    from releases.models import Project


class TrafficEstimate(models.Model):
    """One figure of the traffic: assumed as a number or a range, with the measured one beside it where there is any."""

    class What(models.TextChoices):
        """What is counted."""

        DAU = "dau", _("Daily active users")
        CONCURRENT = "concurrent", _("At the same time")
        REQUESTS = "requests", _("Requests a day")

    project: "models.ForeignKey[Project, Project]" = models.ForeignKey(
        "releases.Project", on_delete=models.CASCADE, related_name="traffic"
    )
    what = models.CharField(_("what"), max_length=20, choices=What)
    low = models.PositiveIntegerField(_("assumed"))
    high = models.PositiveIntegerField(_("up to, where it is a range"), null=True, blank=True)
    source = models.CharField(_("source"), max_length=200, blank=True)
    measured = models.PositiveIntegerField(
        _("measured"), null=True, blank=True, validators=[MinValueValidator(0)], help_text=_("Empty: not measured.")
    )
    measured_on = models.DateField(_("measured on"), null=True, blank=True)
    measured_by = models.CharField(
        _("measured with"), max_length=200, blank=True, help_text=_("Such as the access log of Nginx.")
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "what"], name="traffic_once"),
            one_of("what", ["dau", "concurrent", "requests"], "traffic_what_known"),
            models.CheckConstraint(
                condition=models.Q(measured__isnull=True) | models.Q(measured_on__isnull=False),
                name="traffic_measured_has_a_day",
            ),
        ]

    def __str__(self) -> str:
        return str(self.What(self.what).label)
