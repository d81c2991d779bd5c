"""The addresses of the public pages."""

import json
from pathlib import Path

from django.conf import settings
from django.urls import reverse


def of(name: str, *arguments: object) -> str:
    """The path of one of the pages of releases.urls."""
    return reverse(f"releases:{name}", args=arguments)


def site() -> str:
    """The site's address where no request tells it, as in a worker; "" where nobody has said it."""
    if settings.MAIL.site:
        return str(settings.MAIL.site)
    names = [name for name in settings.ALLOWED_HOSTS if "*" not in name and not name.startswith(".")]
    if settings.PRODUCTION:
        return f"https://{names[0]}" if names else ""
    try:
        return str(json.loads((Path(settings.CLOUDWIKI_DATA) / "web.json").read_text())["address"])
    except (OSError, ValueError, KeyError):
        return ""
