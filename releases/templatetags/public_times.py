"""Moments for the scripts of the public pages; people read those that releases/public/words.py writes."""

from datetime import datetime

from django import template

register = template.Library()


@register.filter
def iso(moment: datetime) -> str:
    """The moment as a machine reads it."""
    return moment.isoformat(timespec="seconds")
