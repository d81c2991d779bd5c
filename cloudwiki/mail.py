"""The mail server of the installation, and where its pages are for people who read a mail."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from cloudwiki.environment import Environment

_MEND = "Set it to smtp+tls://user:password@host:587, smtp+ssl://user:password@host:465 or smtp://host:25."
SECONDS = 15  # that one answer of the server may take
_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}


@dataclass(frozen=True)
class Mail:
    """How mail leaves. `host` is "" where no server is set; `site` is "" or the address before our paths."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    tls: bool = False
    ssl: bool = False
    sender: str = ""
    site: str = ""

    def mailers(self) -> dict[str, dict[str, Any]]:
        """As Django's setting MAILERS; without a server nobody may use it (notices/ways.py)."""
        named = {"host": self.host, "port": self.port, "username": self.user, "password": self.password}
        options = {**named, "use_tls": self.tls, "use_ssl": self.ssl, "timeout": SECONDS}
        return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}

    def __repr__(self) -> str:
        return f"Mail({self.host}:{self.port})"  # never the password


def of(env: Environment) -> Mail:
    """Read EMAIL_URL, CLOUDWIKI_MAIL_FROM and CLOUDWIKI_URL. Raises ImproperlyConfigured with the mend."""
    site = env.text("CLOUDWIKI_URL", "").rstrip("/")
    if site and urlsplit(site).scheme not in ("http", "https"):
        raise ImproperlyConfigured("CLOUDWIKI_URL is not an address. Set it to https://wiki.example.com.")
    url = env.text("EMAIL_URL", "")
    if not url:
        return Mail(site=site)
    sender = env.text("CLOUDWIKI_MAIL_FROM", mend="Set it to the sender, such as Cloud Wiki <wiki@example.com>")
    if any(character in sender for character in "\r\n"):
        raise ImproperlyConfigured("CLOUDWIKI_MAIL_FROM has a line break. Set it to one sender.")
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise ImproperlyConfigured(f"EMAIL_URL cannot be read as an address. {_MEND}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ImproperlyConfigured(f"EMAIL_URL is not the address of a mail server. {_MEND}")
    return Mail(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "smtp+tls",
        ssl=parts.scheme == "smtp+ssl",
        sender=sender,
        site=site,
    )
