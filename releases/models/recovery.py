"""A rollback that does not wait for approvals."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models.choices import in_reader_language, one_of


class Rule(models.TextChoices):
    """What asked for it: a person, or the rule of the environment that was broken."""

    PERSON = "person", gettext_lazy("A person")
    HEALTH = "health", gettext_lazy("Health checks fail in a row")
    PAGE = "page", gettext_lazy("A page does not answer as it should")
    LOG = "log", gettext_lazy("A log shows a critical line")
    DOWNTIME = "downtime", gettext_lazy("The downtime is over its budget")


class RecoveryEnding(models.TextChoices):
    """What became of it."""

    SUCCEEDED = "succeeded", gettext_lazy("Rolled back")
    FAILED = "failed", gettext_lazy("The rollback stopped")
    REFUSED = "refused", gettext_lazy("Not wanted")
    IMPOSSIBLE = "impossible", gettext_lazy("Could not start")


class RecoveryQuerySet(models.QuerySet["Recovery"]):
    """Questions about recoveries."""

    def uncleared(self) -> "RecoveryQuerySet":
        """Those by a rule that ran and that no person has cleared: their release and their environment's rules wait."""
        return self.exclude(rule=Rule.PERSON).filter(rollback__started_at__isnull=False, cleared_at__isnull=True)


class Recovery(models.Model):
    """The emergency path of one rollback, from the moment when it was asked for to its end.

    It is there before its rollback is: while a person may still say no, and while the deployment that it undoes ends.
    """

    deployment = models.ForeignKey(
        "releases.Deployment", on_delete=models.PROTECT, related_name="recoveries", help_text="what it undoes"
    )
    rollback = models.OneToOneField(
        "releases.Deployment", null=True, on_delete=models.PROTECT, related_name="recovery", help_text="null: none yet"
    )
    key = models.UUIDField(default=uuid.uuid4, unique=True, help_text="the request of its rollback's draft")
    rule = models.CharField(max_length=20, choices=Rule)
    reason = models.CharField(max_length=500, blank=True, help_text="a person's words")
    facts = models.JSONField(default=dict, help_text="of a broken rule: service, step, number, seconds, budget")
    asked_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(db_default=Now())
    starts_at = models.DateTimeField(help_text="not before; until then a person may say no")
    busy_until = models.DateTimeField(null=True, help_text="a worker is at it until then, at most")
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=20, choices=RecoveryEnding, blank=True)
    ended_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    problem = models.CharField(max_length=500, blank=True, help_text="why there is no rollback, in one sentence")
    cleared_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    cleared_at = models.DateTimeField(null=True, help_text="when a person let automation and the release go on")

    objects = RecoveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment"], condition=models.Q(ended_at__isnull=True), name="recovery_one_open"
            ),
            one_of("rule", Rule.values, "recovery_rule_known"),
            one_of("ending", ["", *RecoveryEnding.values], "recovery_ending_known"),
            models.CheckConstraint(
                condition=models.Q(rule=Rule.PERSON, asked_by__isnull=False)
                | (~models.Q(rule=Rule.PERSON) & models.Q(asked_by__isnull=True)),
                name="recovery_person_or_rule",
            ),
            models.CheckConstraint(
                condition=models.Q(ending="", ended_at__isnull=True)
                | (~models.Q(ending="") & models.Q(ended_at__isnull=False)),
                name="recovery_ended_with_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.deployment} {self.rule}"

    @property
    def is_automatic(self) -> bool:
        """A rule asked for it, no person."""
        return self.rule != Rule.PERSON

    @property
    def has_run(self) -> bool:
        """Its rollback was started."""
        return self.rollback is not None and self.rollback.started_at is not None

    @property
    def is_uncleared(self) -> bool:
        """One of `uncleared`."""
        return self.is_automatic and self.has_run and self.cleared_at is None

    @property
    def is_taken_back(self) -> bool:
        """Cloud Wiki itself took it back: what it was asked for is over. No person said no."""
        return self.ending == RecoveryEnding.REFUSED and self.ended_by_id is None

    def because(self) -> str:
        """Why, in the reader's language: the person's words, or the rule with what broke it."""
        if self.rule == Rule.PERSON:
            return self.reason
        words = {
            Rule.HEALTH: _("%(service)s failed %(number)s health checks in a row"),
            Rule.PAGE: _("Step %(step)s, %(title)s: a page does not answer as it should"),
            Rule.LOG: _("Step %(step)s, %(title)s: a log shows a critical line"),
            Rule.DOWNTIME: _("The downtime is %(seconds)s s, the budget %(budget)s s"),
        }
        title = in_reader_language(self.facts.get("title_ko", ""), self.facts.get("title_en", ""))
        return words[Rule(self.rule)] % {**self.facts, "title": title}
