"""Asking addresses until they answer as they should."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from releases.actions.ask import ask
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.actions.texts import shown
from releases.models import Environment
from releases.probes.addresses import parse_networks
from releases.probes.answers import BODY_LIMIT, Check, explain
from releases.probes.http import HttpProber
from releases.remote.transport import Transport

LOOK_SECONDS = 0.1  # how soon an order to let go is noticed
# The body's beginning, then on a line of its own the status of the answer and curl's words.
_CURL: Final = r"""
command -v curl >/dev/null || { printf '\nnocurl'; exit; }
head=$(mktemp) || exit
trap 'rm -f "$head" "$head.said"' EXIT
curl --silent --show-error --globoff --noproxy '*' --proto =http,https --max-time "$limit" \
  --user-agent cloud-wiki-check --dump-header "$head" --output - "$url" 2>"$head.said" | head -c "$most"
printf '\n%s ' "$(sed -n 's/^HTTP[^ ]* \([0-9][0-9]*\).*/\1/p' "$head" | tail -n 1)"
tr -d '\n' <"$head.said"
"""


@dataclass(frozen=True)
class Wanted:
    """What is asked and what must come back. `timeout` in seconds for one request."""

    url: str
    status: int = 200
    text: str = ""
    timeout: int = 5


@dataclass(frozen=True)
class Reply:
    """One answer: "" in `problem` means that it is the wanted one."""

    problem: str
    milliseconds: float


class HttpCheck(DirectAction):
    """Asks each address, from the host by curl or from the controller, and tries again at intervals."""

    kind = "http_check"

    def run(self, context: StepContext) -> None:
        parameters = context.parameters
        look = self._asker(context)
        context.say(shown(context.planned.lines))
        answers = []
        for url in parameters["urls"]:
            wanted = Wanted(url, parameters["status"], parameters.get("text", ""), parameters["timeout"])
            found = self._until_right(context, wanted, look)
            if found is None:
                return
            answers.append({"url": url, **found})
        context.evidence["answers"] = answers

    def _asker(self, context: StepContext) -> Callable[[Wanted], Reply]:
        if context.parameters["from"] == "controller":
            environment = context.deployment.environment
            return lambda wanted: from_controller(wanted, environment)
        return lambda wanted: from_host(wanted, context.transport(), context.stop)

    def _until_right(
        self, context: StepContext, wanted: Wanted, look: Callable[[Wanted], Reply]
    ) -> dict[str, object] | None:
        """Try until the answer is right; None when told to let go. Raises ActionError after the last try."""
        attempts, interval = context.parameters["attempts"], context.parameters["interval"]
        problem = ""
        for number in range(1, attempts + 1):
            if context.stop():
                return None
            reply = look(wanted)
            problem = reply.problem
            said = problem or _("answers as it should (%s)") % wanted.status
            context.say(f"{wanted.url}  {number}/{attempts}  {said}  {reply.milliseconds:.0f} ms")
            if not problem:
                return {"status": wanted.status, "tries": number, "milliseconds": round(reply.milliseconds, 1)}
            if number < attempts:
                pause(interval, context.stop)
        if context.stop():
            return None
        words = {"url": wanted.url, "tries": attempts, "problem": problem}
        said = _("%(url)s did not answer as it should in %(tries)s tries; the last time: %(problem)s.")
        raise ActionError(said % words)


def pause(seconds: float, stop: Callable[[], bool]) -> None:
    """Wait, but not past an order to let go."""
    end, moment = time.monotonic() + seconds, threading.Event()
    while (left := end - time.monotonic()) > 0 and not stop():
        moment.wait(min(left, LOOK_SECONDS))


def from_controller(wanted: Wanted, environment: Environment) -> Reply:
    """Ask from here. Private addresses are asked only where they belong to the environment's own hosts."""
    check = Check(0, wanted.url, wanted.status, wanted.text, wanted.timeout, own_addresses(environment))
    allowed = parse_networks(getattr(settings, "PROBE_ALLOWED_NETWORKS", []))

    async def look() -> Reply:
        async with HttpProber(allowed) as prober:
            answer = await prober.ask(check)
        return Reply("" if answer.ok else explain(answer.detail), answer.milliseconds)

    return asyncio.run(look())


def own_addresses(environment: Environment) -> frozenset[str]:
    """The addresses of the environment's hosts, as entered."""
    return frozenset(environment.hosts.values_list("address", flat=True))


def from_host(wanted: Wanted, transport: Transport, stop: Callable[[], bool] = lambda: False) -> Reply:
    """Ask with curl on a machine: an address such as http://localhost:8080 means that machine's own."""
    began = time.monotonic()
    values = {"url": wanted.url, "limit": str(wanted.timeout), "most": str(BODY_LIMIT)}
    done = ask(transport, _CURL, values, seconds=wanted.timeout + 10, stop=stop)
    took = (time.monotonic() - began) * 1000
    body, _newline, last = done.stdout.rpartition(b"\n")
    status, _space, said = last.decode(errors="replace").partition(" ")
    return Reply(_judge(wanted, body, status, said), took)


def _judge(wanted: Wanted, body: bytes, status: str, said: str) -> str:
    if status == "nocurl":
        return explain("curl")
    if not status.isdigit() or int(status) == 0:
        return said or explain(f"timeout:{wanted.timeout}")
    if int(status) != wanted.status:
        return explain(f"status:{status}")
    if wanted.text and wanted.text.encode() not in body:
        return explain("text")
    return ""
