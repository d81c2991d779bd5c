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
from releases.actions.tries import Tries
from releases.models import Environment
from releases.probes.addresses import parse_networks
from releases.probes.answers import BODY_LIMIT, Answer, Check, explain, misses
from releases.probes.http import HttpProber
from releases.remote.transport import Transport

LOOK_SECONDS = 0.1  # how soon an order to let go is noticed
# Prints the answer's beginning, then on a line of its own its status and curl's words. The body comes through a pipe,
# since everybody on the machine can read a command line. No ~/.curlrc (-q): it may ask for more tries than the step.
_CURL: Final = r"""
command -v curl >/dev/null || { printf '\nnocurl'; exit; }
head=$(mktemp) || exit
trap 'rm -f "$head" "$head.said"' EXIT
set --
[ "$method" = GET ] || set -- --header "Content-Type: $content_type" --header 'Expect:' --data-binary @-
printf %s "$body" | curl -q "$@" --silent --show-error --globoff --noproxy '*' --proto =http,https --max-time "$limit" \
  --user-agent cloud-wiki-check --dump-header "$head" --output - "$url" 2>"$head.said" | head -c "$most"
printf '\n%s ' "$(sed -n 's/^HTTP[^ ]* \([0-9][0-9]*\).*/\1/p' "$head" | tail -n 1)"
tr -d '\n' <"$head.said"
"""
_LATE: Final = "curl: (28)"


@dataclass(frozen=True)
class Wanted:
    """What is asked and what must come back. `timeout` in seconds for one request."""

    url: str
    status: int = 200
    text: str = ""
    timeout: int = 5
    method: str = "GET"
    body: str = ""  # sent as it is, with a POST only
    content_type: str = "application/json"
    matches: str = ""  # regular expression


@dataclass(frozen=True)
class Reply:
    """One answer: "" in `problem` means that it is the wanted one."""

    problem: str
    milliseconds: float


class HttpCheck(DirectAction):
    """Asks each address, from the host by curl or from the controller, and tries again at intervals."""

    kind = "http_check"

    def run(self, context: StepContext) -> None:
        look = self._asker(context)
        context.say(shown(context.planned.lines))
        tries = Tries(context)
        for url in context.parameters["urls"][len(tries.answers) :]:
            found = self._until_right(context, _wanted(url, context), look, tries)
            if found is None:
                return
            tries.answered({"url": url, **found})
        context.evidence["answers"] = tries.answers

    def _asker(self, context: StepContext) -> Callable[[Wanted], Reply]:
        if context.parameters["from"] == "controller":
            environment = context.deployment.environment
            return lambda wanted: from_controller(wanted, environment, context.stop)
        transport = context.transport()  # here, so that no try is used up while there is no way to the host
        return lambda wanted: from_host(wanted, transport, context.stop)

    def _until_right(
        self, context: StepContext, wanted: Wanted, look: Callable[[Wanted], Reply], tries: Tries
    ) -> dict[str, object] | None:
        """Try until the answer is right; None when told to let go. Raises ActionError after the last try."""
        attempts, interval = context.parameters["attempts"], context.parameters["interval"]
        problem = _("the connection or the worker was lost before the answer came")
        while not context.stop() and (number := tries.take()):
            reply = look(wanted)
            if reply.problem and context.stop():
                return None
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


def _wanted(url: str, context: StepContext) -> Wanted:
    """What the step asks of one address. Plans made before there were other requests than GET do not name them."""
    given = context.parameters
    names = ("status", "text", "timeout", "method", "body", "content_type", "matches")
    return Wanted(url, **{name: given[name] for name in names if name in given})


def pause(seconds: float, stop: Callable[[], bool]) -> None:
    """Wait, but not past an order to let go."""
    end, moment = time.monotonic() + seconds, threading.Event()
    while (left := end - time.monotonic()) > 0 and not stop():
        moment.wait(min(left, LOOK_SECONDS))


def from_controller(wanted: Wanted, environment: Environment, stop: Callable[[], bool] = lambda: False) -> Reply:
    """Ask from here. Private addresses are asked only where they belong to the environment's own hosts."""
    request = (wanted.method, wanted.body, wanted.content_type, wanted.matches)
    near = own_addresses(environment)
    check = Check(0, wanted.url, wanted.status, wanted.text, wanted.timeout, near, *request)
    allowed = parse_networks(getattr(settings, "PROBE_ALLOWED_NETWORKS", []))

    async def look() -> Answer:
        async with HttpProber(allowed) as prober:
            return await prober.ask(check)

    began = time.monotonic()
    with asyncio.Runner() as runner:  # its end lets go of a request that is under way
        asked = runner.get_loop().create_task(look())
        while not asked.done():
            if stop():  # between two runs of the loop, since it may ask the database
                return Reply(explain(f"timeout:{wanted.timeout}"), (time.monotonic() - began) * 1000)
            runner.run(_for_a_moment(asked))
        answer = asked.result()
    return Reply("" if answer.ok else explain(answer.detail), answer.milliseconds)


async def _for_a_moment(asked: asyncio.Task[Answer]) -> None:
    await asyncio.wait([asked], timeout=LOOK_SECONDS)


def own_addresses(environment: Environment) -> frozenset[str]:
    """The addresses of the environment's hosts, as entered."""
    return frozenset(environment.hosts.values_list("address", flat=True))


def from_host(wanted: Wanted, transport: Transport, stop: Callable[[], bool] = lambda: False) -> Reply:
    """Ask with curl on a machine: an address such as http://localhost:8080 means that machine's own."""
    began = time.monotonic()
    values = {"url": wanted.url, "limit": str(wanted.timeout), "most": str(BODY_LIMIT)}
    values |= {"method": wanted.method, "body": wanted.body, "content_type": wanted.content_type}
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
    missing = misses(body, wanted.text, wanted.matches)
    if missing and said.startswith(_LATE):  # it began to answer in time
        return explain(f"timeout:{wanted.timeout}")
    return explain(missing)
