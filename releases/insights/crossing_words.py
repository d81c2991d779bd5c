"""What the team is told when a threshold is reached, in both languages."""

from typing import NamedTuple

from django.utils.translation import gettext as _

from releases.models import ThresholdCrossing
from releases.models.choices import in_each_language


class Said(NamedTuple):
    """A subject and a text, each by language."""

    subject: dict[str, str]
    text: dict[str, str]


def said(row: ThresholdCrossing) -> Said:
    """The news of a crossing."""
    return Said(in_each_language(lambda: _subject(row)), in_each_language(lambda: _text(row)))


def _subject(row: ThresholdCrossing) -> str:
    words = {"project": row.project, "rule": row.get_rule_display()}
    return _("%(project)s: a threshold was reached: %(rule)s") % words


def _text(row: ThresholdCrossing) -> str:
    return _(
        "%(rule)s: the count is %(value)s. Look into bringing in automation; the page of thresholds says what"
        " comes next."
    ) % {"rule": row.get_rule_display(), "value": row.value}
