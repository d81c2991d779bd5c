"""What people enter for the insights pages, and the thresholds that were crossed."""

import pgtrigger
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of
from releases.models.history import append_only

MOST_USERS = 8_000_000_000


class Threshold(models.TextChoices):
    """The conditions of the seed (3.3), in its order: any of them asks for automation."""

    DEPLOYS = "deploys", _("2 deployments a week or more")
    USERS = "users", _("1,000 monthly active users or more reached")
    HOSTS = "hosts", _("Servers increased to 2 or more")
    FAILURES = "failures", _("2 deployment failures or rollbacks a month or more")
    COMPLAINTS = "complaints", _("User complaints about downtime received")


class ThresholdCrossing(models.Model):
    """The first time that a project reached a threshold. Kept as it was."""

    project = models.ForeignKey("releases.Project", on_delete=models.PROTECT, related_name="crossings")
    rule = models.CharField(max_length=20, choices=Threshold)
    value = models.PositiveBigIntegerField(help_text="what was counted then")
    crossed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["crossed_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "rule"], name="crossing_once_per_rule"),
            one_of("rule", Threshold.values, "crossing_rule_known"),
        ]
        triggers: list[pgtrigger.Trigger] = append_only("threshold_crossing")

    def __str__(self) -> str:
        return str(self.get_rule_display())


class ActiveUsers(models.Model):
    """A count of monthly active users: entered by a person, or fetched (`entered_by` is null then)."""

    project = models.ForeignKey("releases.Project", on_delete=models.PROTECT, related_name="active_users")
    count = models.PositiveBigIntegerField(_("monthly active users"), validators=[MaxValueValidator(MOST_USERS)])
    at = models.DateTimeField(db_default=Now())
    entered_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["project", "-at"], name="active_users_recent")]
        triggers: list[pgtrigger.Trigger] = append_only("active_users")

    def __str__(self) -> str:
        return str(self.count)


class ActiveUsersSource(models.Model):
    """Where the count is fetched from once a day. A failure is kept beside the last good count, which stays."""

    project = models.OneToOneField("releases.Project", on_delete=models.CASCADE, related_name="active_users_source")
    url = models.URLField(_("address (JSON)"), max_length=500)
    path = models.CharField(_("JSON path of the count"), max_length=200, help_text=_("Such as $.data.monthly_users."))
    asked_at = models.DateTimeField(null=True, editable=False, help_text="when it was last tried")
    problem = models.CharField(max_length=500, blank=True, editable=False, help_text="why that failed; a code")

    def __str__(self) -> str:
        return self.url


class Complaint(models.Model):
    """What a user complained about. A wrong entry is withdrawn, not removed."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="complaints")
    received_on = models.DateField(_("received on"))
    text = models.TextField(_("what was said"), max_length=2000)
    deployment = models.ForeignKey(
        "releases.Deployment", null=True, blank=True, on_delete=models.PROTECT, related_name="complaints"
    )
    outage = models.ForeignKey(
        "releases.Outage", null=True, blank=True, on_delete=models.PROTECT, related_name="complaints"
    )
    entered_by = models.ForeignKey("releases.User", on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    withdrawn_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-received_on", "-pk"]

    def __str__(self) -> str:
        return f"{self.received_on}: {self.text[:80]}"


class ComparisonFigures(models.Model):
    """What a project says of its manual procedure and its goal (seed 4.2) where that differs from what is shipped."""

    project = models.OneToOneField("releases.Project", on_delete=models.CASCADE, related_name="comparison")
    values = models.JSONField(default=dict, help_text="by the names of insights/comparison.py; seconds and words")
    changed_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"4.2 {self.project}"
