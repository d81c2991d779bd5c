"""When deployments are expected."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import models
from django.utils.translation import gettext_lazy as _


class DeployWindow(models.Model):
    """A weekly time in which deployments are expected, in the environment's zone."""

    class Weekday(models.IntegerChoices):
        """ISO weekdays."""

        MONDAY = 1, _("Monday")
        TUESDAY = 2, _("Tuesday")
        WEDNESDAY = 3, _("Wednesday")
        THURSDAY = 4, _("Thursday")
        FRIDAY = 5, _("Friday")
        SATURDAY = 6, _("Saturday")
        SUNDAY = 7, _("Sunday")

    environment = models.ForeignKey("releases.Environment", on_delete=models.CASCADE, related_name="windows")
    weekday = models.PositiveSmallIntegerField(_("weekday"), choices=Weekday)
    opens = models.TimeField(_("opens"))
    closes = models.TimeField(_("closes"))

    class Meta:
        ordering = ["weekday", "opens"]
        constraints = [
            models.CheckConstraint(condition=models.Q(weekday__range=(1, 7)), name="window_weekday_iso"),
            models.CheckConstraint(condition=models.Q(closes__gt=models.F("opens")), name="window_closes_after_opens"),
        ]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.opens:%H:%M}-{self.closes:%H:%M}"

    def next_after(self, now: datetime) -> tuple[datetime, datetime]:
        """The window (start, end; aware) that is open at `now`, or else the next one."""
        zone = ZoneInfo(self.environment.zone)
        local = now.astimezone(zone)
        for days in range(8):
            day = local.date() + timedelta(days=days)
            ends = datetime.combine(day, self.closes, zone)
            if day.isoweekday() == self.weekday and ends > local:
                return datetime.combine(day, self.opens, zone), ends
        raise AssertionError("a weekday comes round within eight days")
