"""Whether an AI endpoint answers somebody who has no key."""

import asyncio

import httpx
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from releases.models import GpuAccount, GpuEndpoint, Project
from releases.risks.finding import CannotLook, Check, Does, Finding, Said, Target, line, not_known, ok, risk, say
from releases.risks.places import of_environment
from releases.risks.ways import Ways
from releases.risks.webs import SECONDS, resolved


def targets(project: Project) -> list[Target]:
    """Servers of one's own that an environment uses, and every endpoint that is there."""
    found = {}
    accounts = GpuAccount.objects.filter(project=project, provider=GpuAccount.Provider.SELF_HOSTED).exclude(data_url="")
    for account in accounts.prefetch_related("settings__environment__project"):
        base = account.data_url.rstrip("/").removesuffix("/v1")
        for used in account.settings.all():
            one = of_environment(used.environment, f"{base}/v1/models", base, account.name)
            found[one.key] = one
    rows = (
        GpuEndpoint.objects.living().filter(environment__project=project).exclude(Q(base_url="") | Q(state="creating"))
    )
    for row in rows.select_related("environment__project"):
        one = of_environment(row.environment, f"{row.base_url.rstrip('/')}/models", row.base_url, row.name)
        found[one.key] = one
    return list(found.values())


def does(target: Target) -> list[Does]:
    """One request without a key."""
    return [Does("controller", Said(f"GET {target.subject} ({SECONDS:g} s, no Authorization header)"))]


def look(target: Target, _ways: Ways) -> Finding:
    """Only a refusal for want of a key is in order."""
    assert target.environment is not None  # noqa: S101 - targets belong to environments
    url = str(target.subject)
    place = resolved(url, target.environment)
    try:
        status = asyncio.run(_status(url, place.address, place.port, place.name))
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        why = str(error) or type(error).__name__
        raise CannotLook(say(_("%(url)s could not be asked: %(why)s."), url=url, why=why)) from error
    seen = line(f"GET {url}", status)
    if status in {401, 403}:
        return ok(say(_("It refuses who has no key.")), seen)
    if status == 200:
        return risk(
            say(_("It answers everybody: no key is asked for.")),
            say(
                _("Start vLLM with --api-key, or let only the backend reach it; then enter the key in the GPU account.")
            ),
            seen,
        )
    return not_known(
        say(_("It answered %(status)s, which does not say whether a key is asked for."), status=status), None, seen
    )


async def _status(url: str, address: str, port: int, name: str) -> int:
    parts = httpx.URL(url)
    shown = f"[{address}]" if ":" in address else address
    async with (
        asyncio.timeout(SECONDS),
        httpx.AsyncClient(trust_env=False, follow_redirects=False) as client,
        client.stream(
            "GET",
            f"{parts.scheme}://{shown}:{port}{parts.raw_path.decode()}",
            headers={"Host": parts.netloc.decode(), "User-Agent": "cloud-wiki-check", "Connection": "close"},
            extensions={"sni_hostname": name},
        ) as answer,
    ):
        return answer.status_code


CHECK = Check("open_endpoint", _("AI endpoint without a key"), ("ai_surface", "explosion"), targets, does, look)
