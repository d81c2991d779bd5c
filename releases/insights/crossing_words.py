"""What the team is told when a threshold is reached, in both languages."""

from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.models import ThresholdCrossing

LANGUAGES = ("ko", "en")


class Said(NamedTuple):
    """A subject and a text, each by language."""

    subject: dict[str, str]
    text: dict[str, str]


def said(row: ThresholdCrossing) -> Said:
    """The news of a crossing."""
    found = Said({}, {})
    for language in LANGUAGES:
        with override(language):
            rule = row.get_rule_display()
            found.subject[language] = _("%(project)s: a threshold was reached: %(rule)s") % {
                "project": row.project, "rule": rule,
            }  # fmt: skip
            found.text[language] = _(
                "%(rule)s: the count is %(value)s. Look into bringing in automation; the page of thresholds says what"
                " comes next."
            ) % {"rule": rule, "value": row.value}
    return found
