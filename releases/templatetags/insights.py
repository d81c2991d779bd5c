"""Words and figures of the insights pages."""

from django import template
from django.utils.translation import get_language

from releases.models import Outage
from releases.probes.answers import explain
from releases.runbooks.model import LocalText

register = template.Library()


@register.filter
def lasted(outage: Outage) -> float | None:
    """Seconds of an outage; None while it goes on."""
    return (outage.ended_at - outage.started_at).total_seconds() if outage.ended_at else None


@register.filter
def seen(detail: str) -> str:
    """What a probe saw, in words."""
    return explain(detail)


@register.filter
def words(text: LocalText) -> str:
    """A runbook's text in the reader's language."""
    return text.in_language(get_language() or "ko")
