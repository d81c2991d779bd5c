"""Texts of runbooks as people read them."""

import re
from typing import Final

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_CODE: Final = re.compile(r"`([^`\n]+)`")


@register.filter
def coded(text: object) -> SafeString:
    """The text with what stands between backticks set as code; everything is escaped."""
    parts = _CODE.split(str(text))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if n % 2 else part,) for n, part in enumerate(parts))
    )
