"""The ways out: one message to one channel, by mail or by Apprise. Errors are sentences without secrets."""

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from smtplib import SMTPAuthenticationError, SMTPException, SMTPRecipientsRefused, SMTPSenderRefused
from typing import Any, Final
from urllib.parse import urlsplit

from apprise import Apprise, AppriseAsset, NotifyFormat
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from releases import markdown
from releases.probes.addresses import AddressRefused, NameUnknown, Network, endpoint, parse_networks, require_open

# Services of Apprise that speak HTTPS to a place of their own, and those whose host is in the address.
FIXED: Final = frozenset({"slack", "discord", "tgram", "workflows", "gchat", "line", "wxteams", "webex", "kakaotalk"})
HOSTED: Final = frozenset(
    f"{name}{s}" for name in ("json", "form", "mmost", "rocket", "ntfy", "gotify") for s in ("", "s")
)
_CODE: Final = re.compile(r"error=(\d{3})")
_REFUSED: Final = _(
    "The controller does not connect there: the address is private, local or no web service."
    " CLOUDWIKI_PROBE_ALLOWED_NETWORKS allows networks of your own."
)
# The library's own log tells of addresses and answers; ours tells what people need.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").addHandler(logging.NullHandler())


class NotSent(Exception):
    """It was not accepted. `text`: a sentence without secrets, untranslated; `detail`: what goes into its %s."""

    def __init__(self, text: str, detail: object = "") -> None:
        self.text, self.detail = text, str(detail)
        super().__init__(text)

    def __str__(self) -> str:
        return gettext(self.text) % self.detail if self.detail else gettext(self.text)


@dataclass(frozen=True)
class Message:
    """What is said in one language. `text`: Markdown; `link`: a whole address or ""; `key`: the same each attempt."""

    subject: str
    text: str
    link: str
    language: str
    key: str


def mail(to: list[str], message: Message) -> None:
    """Send a mail, as text and HTML. Raises NotSent."""
    server = settings.MAIL
    if not server.host:
        raise NotSent(_("This installation has no mail server: set EMAIL_URL (docs/install.md)."))
    domain = server.sender.rpartition("@")[2].strip("> ")
    several = len(to) > 1  # they need not see each other
    headers = {"Message-ID": f"<{message.key}@{domain}>", "Content-Language": message.language}
    built = EmailMultiAlternatives(
        subject=message.subject,
        body=f"{message.text}\n\n{message.link}".strip() + "\n",
        from_email=server.sender,
        to=[] if several else to,
        bcc=to if several else [],
        headers=headers | ({"To": "undisclosed-recipients:;"} if several else {}),
    )
    html = {"message": message, "html": markdown.render(message.text)}
    built.attach_alternative(render_to_string("mail/notice.html", html), "text/html")
    try:
        built.send(using="default")
    except SMTPAuthenticationError as error:
        raise NotSent(_("The mail server refused the login of EMAIL_URL.")) from error
    except (SMTPRecipientsRefused, SMTPSenderRefused) as error:
        raise NotSent(_("The mail server refused the sender or a recipient.")) from error
    except SMTPException as error:
        code = getattr(error, "smtp_code", type(error).__name__)
        raise NotSent(_("The mail server did not take the mail: %s."), code) from error
    except OSError as error:
        raise NotSent(_("The mail server can't be reached: %s."), error.strerror or type(error).__name__) from error


def chat(address: str, message: Message) -> None:
    """Send through Apprise. Raises NotSent."""
    app = _service(address)
    _check_host(address)
    captured: list[str] = []
    text = f"{message.text}\n\n{message.link}".strip()
    with _guarded() as guard:
        done = app.notify(
            title=message.subject,
            body=text,
            body_format=NotifyFormat.MARKDOWN,
            log_callback=lambda entry, _service: captured.append(str(entry.message)),
        )
    if done:
        return
    if guard.refused:
        raise NotSent(_REFUSED)
    code = next((found[1] for line in captured if (found := _CODE.search(line))), "")
    if code:
        raise NotSent(_("The receiver answered %s."), code)
    raise NotSent(_("The receiver can't be reached, or did not take the message."))


def check_chat(address: str) -> str:
    """What of an address may be shown: the service. Raises NotSent when it is none of ours, or is incomplete."""
    _service(address)
    scheme = urlsplit(address).scheme.lower()
    return scheme if scheme not in {"http", "https"} else (urlsplit(address).hostname or scheme)


def _service(address: str) -> Apprise:
    asset = AppriseAsset(async_mode=False, secure_logging=True, http_redirects=False, app_id="Cloud Wiki")
    service = Apprise.instantiate(address, asset=asset)
    schema = _schema(service) if service is not None else ""
    if service is None or not schema or not service.verify_certificate:
        known = ", ".join(sorted(FIXED | HOSTED))
        raise NotSent(_("This is no address that Apprise knows, or not one of: %s."), known)
    app = Apprise(asset=asset)
    app.add(service)
    return app


def _schema(service: Any) -> str:
    """Which of our services it is; "" when none. Pasted addresses such as https://hooks.slack.com are known, too."""
    return next((name for name in service.schemas() if name in FIXED | HOSTED), "")


def _check_host(address: str) -> None:
    """Of a service whose host is in the address: may the controller connect there?"""
    parts = urlsplit(address)
    scheme = parts.scheme.lower()
    if scheme not in HOSTED:
        return
    try:
        port = f":{parts.port}" if parts.port else ""
        name = parts.hostname or ""
        host = f"[{name}]" if ":" in name else name
        endpoint(f"{'https' if scheme.endswith('s') else 'http'}://{host}{port}/", allowed=_networks())
    except (AddressRefused, ValueError) as error:
        raise NotSent(_REFUSED) from error
    except NameUnknown as error:
        raise NotSent(_("The receiver's name is not known.")) from error


def _networks() -> tuple[Network, ...]:
    return parse_networks(settings.PROBE_ALLOWED_NETWORKS)


class _Guard:
    """What a message may connect to, and what it was refused."""

    def __init__(self) -> None:
        self.allowed = _networks()
        self.refused = False


_GUARD: ContextVar[_Guard | None] = ContextVar("guard", default=None)


@contextmanager
def _guarded() -> Iterator[_Guard]:
    """Within it every connection goes to an address that was checked, whatever a name meant a moment ago."""
    _watch_connections()
    guard = _Guard()
    token = _GUARD.set(guard)
    try:
        yield guard
    finally:
        _GUARD.reset(token)


@lru_cache(maxsize=1)
def _watch_connections() -> None:
    """Python tells of each connection before it is made; the hook stays for the life of the process."""
    sys.addaudithook(_on_event)


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect":
        return
    guard = _GUARD.get()
    if guard is None:
        return
    target = arguments[1]
    try:
        if not isinstance(target, tuple):
            raise AddressRefused("a socket of this machine")
        require_open(str(target[0]), guard.allowed)
    except (AddressRefused, ValueError):
        guard.refused = True
        raise
