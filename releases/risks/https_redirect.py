"""Whether what is asked without encryption is sent on to HTTPS."""

import asyncio
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext_lazy as _

from releases.probes.addresses import Endpoint
from releases.probes.http import failure
from releases.risks.finding import CannotLook, Check, Does, Finding, Said, Target, line, ok, risk, say, warning
from releases.risks.ways import Ways
from releases.risks.webs import SECONDS, resolved, servers

MOVED = {301, 302, 307, 308}


def asked(target: Target) -> str:
    """The unencrypted address: of an HTTPS server the usual port 80 of the same name."""
    base = str(target.subject)
    if base.startswith("http:"):
        return f"{base}/"
    name = urlsplit(base).hostname or ""
    return f"http://{f'[{name}]' if ':' in name else name}/"


def does(target: Target) -> list[Does]:
    """One request."""
    return [Does("controller", Said(f"GET {asked(target)} ({SECONDS:g} s)"))]


def look(target: Target, _ways: Ways) -> Finding:
    """Ask once, follow nothing."""
    assert target.environment is not None  # noqa: S101 - targets are servers of environments
    url = asked(target)
    place = resolved(url, target.environment)
    try:
        answer = asyncio.run(_asked(url, place))
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        if failure(error) == (False, "refused"):  # no way there, or no answer, would say nothing about the port
            return ok(say(_("Nothing answers without encryption at %(url)s."), url=url), line(url, error))
        why = str(error) or type(error).__name__
        raise CannotLook(say(_("%(url)s could not be asked: %(why)s."), url=url, why=why)) from error
    goes = answer.headers.get("location", "")
    seen = line(url, f"{answer.status_code} {goes}".strip())
    if answer.status_code in MOVED and goes.startswith("https://"):
        return ok(say(_("%(url)s leads on to HTTPS."), url=url), seen)
    said = say(_("%(url)s answers without encryption and does not lead on to HTTPS."), url=url)
    mend = say(_("In nginx: `return 301 https://$host$request_uri;` in the server of port 80."))
    inside = str(target.subject).startswith("http:") and place.name == place.address
    return warning(said, mend, seen) if inside else risk(said, mend, seen)


async def _asked(url: str, place: Endpoint) -> httpx.Response:
    host = f"[{place.address}]" if ":" in place.address else place.address
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
        client.stream(
            "GET",
            f"http://{host}:{place.port}/",
            headers={"Host": urlsplit(url).netloc, "User-Agent": "cloud-wiki-check", "Connection": "close"},
        ) as answer,
    ):
        return answer


CHECK = Check("https_redirect", _("Redirect to HTTPS"), ("tls",), servers, does, look)
