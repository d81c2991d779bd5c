"""The log of one worker, as its provider streams it: a page, and the event stream that it follows."""

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from django.contrib.auth import get_user
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from cloudwiki.shutdown import stopping
from releases import permissions, secrets
from releases.actions import gpu_words
from releases.endpoints import accounts
from releases.endpoints.specs import RESERVED
from releases.gpu.errors import EndpointGone, GpuError, KeyRefused, NotSupported, Stopped
from releases.gpu.nouns import LogLine
from releases.logs import store, stream
from releases.logs.masking import StreamMasker
from releases.models import GpuEndpoint, User
from releases.permissions import Need, member_required, signed_in

WORKER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
CURSOR: Final = re.compile(r"[\x21-\x7e]{1,200}")
BEAT_SECONDS: Final = 15.0  # without a line after which the page is told that we are there
RELAY_SECONDS: Final = 600.0  # then the page asks again, and who may see it is asked again, too
MOST: Final = 40  # streams of one process: each holds a thread and a connection to the provider
WAITING: Final = 1000  # lines on their way to a slow page; the provider waits for it then
FINAL: Final = (EndpointGone, KeyRefused, NotSupported)  # after which asking again does not help
Say = Callable[[bytes | None], None]
BYE: Final = b"event: bye\ndata: {}\n\n"  # the page asks again at once
_free = threading.BoundedSemaphore(MOST)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Source:
    """Whose log, from behind which line. `hidden`: values that must not be shown."""

    endpoint: GpuEndpoint
    worker: str
    after: str
    hidden: tuple[str, ...]
    language: str


@require_GET
@member_required
def worker_log(request: HttpRequest, number: int, worker: str) -> HttpResponse:
    """The page; its lines come over the stream."""
    found = _visible(signed_in(request), number, worker)
    context = {"endpoint": found, "worker": worker, "section": "gpu"}
    return render(request, "releases/gpu/worker_log.html", context)


@require_GET
async def worker_log_events(request: HttpRequest, number: int, worker: str) -> HttpResponseBase:
    """The lines as they come. 401 without a session, 404 without a right to see it, 503 when too many are open."""
    user = await store.in_thread(get_user, request)
    if not isinstance(user, User):
        return HttpResponse(_("Log in again."), status=401, content_type="text/plain; charset=utf-8")
    found = await store.in_thread(_visible, user, number, worker)
    after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    hidden = await store.in_thread(_hidden, found)
    if not _free.acquire(blocking=False):
        said = _("Too many logs are open at this moment. Close one, or wait.")
        return HttpResponse(said, status=503, content_type="text/plain; charset=utf-8", headers={"Retry-After": "10"})
    _free.release()  # taken by the stream once it begins: an answer that nobody reads never begins, and never ends
    source = Source(found, worker, after if CURSOR.fullmatch(after) else "", hidden, get_language() or "ko")
    return stream.event_stream_response(_relay(source))


def _visible(user: User, number: int, worker: str) -> GpuEndpoint:
    """Raises Http404 also for a worker whose id is none."""
    found = permissions.get(GpuEndpoint, user, Need.VIEW, "account", "environment__project", pk=number)
    if not WORKER.fullmatch(worker) or not found.ref:
        raise Http404
    return found


def _hidden(row: GpuEndpoint) -> tuple[str, ...]:
    """Every secret of its environment, and the account's own key."""
    sealed = [bytes(each.ciphertext) for each in row.environment.variables.filter(is_secret=True)]
    if row.account.has_key:
        sealed.append(bytes(row.account.ciphertext))
    found = []
    for each in sealed:
        try:
            found.append(secrets.open_sealed(each))
        except secrets.SecretUnreadable:  # then nothing here could have given it to anybody either
            continue
    return tuple(found)


async def _relay(source: Source) -> AsyncIterator[bytes]:
    """Bytes of the event stream; ends when the provider's log does, the page goes, or the server is told to stop."""
    free = _free
    if not free.acquire(blocking=False):
        yield BYE
        return
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()
    gone = threading.Event()
    room = threading.Semaphore(WAITING)
    loop = asyncio.get_running_loop()

    def say(event: bytes | None) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, event)

    def read() -> None:
        try:
            _read(source, say, room, gone)
        finally:
            free.release()
            with suppress(RuntimeError):  # the loop is closed: nobody listens any more
                say(None)

    threading.Thread(target=read, name=f"worker-log-{source.endpoint.pk}", daemon=True).start()
    ending = asyncio.create_task(_goodbye(lines))
    try:
        yield b"retry: 1000\n\n"
        while True:
            try:
                event = await asyncio.wait_for(lines.get(), BEAT_SECONDS)
            except TimeoutError:
                yield b": beat\n\n"
                continue
            if event is None:
                return
            room.release()
            yield event
    finally:
        ending.cancel()
        gone.set()
        room.release(WAITING)


async def _goodbye(lines: asyncio.Queue[bytes | None]) -> None:
    """When the server is told to stop: the page asks again, and finds the next one."""
    await stopping.wait()
    lines.put_nowait(BYE)
    lines.put_nowait(None)


def _read(source: Source, say: Say, room: threading.Semaphore, gone: threading.Event) -> None:
    """In a thread, without the database: the provider's lines, masked, until it ends or the page is gone."""
    row = source.endpoint
    with override(source.language):
        try:
            with accounts.opened(row.account, RELAY_SECONDS, gone.is_set) as provider:
                masker = StreamMasker([*source.hidden, *_secret_variables(row, provider.get(row.ref).spec.env)])
                for line in provider.logs(row.ref, source.worker, source.after):
                    room.acquire()
                    if gone.is_set():
                        return
                    say(_event(line, masker))
        except Stopped:
            return
        except GpuError as error:
            say(_named("problem", {"text": gpu_words.told(error)}))
            if isinstance(error, FINAL):
                say(b"event: done\ndata: {}\n\n")
        except Exception:
            log.exception("relay of a worker's log broke", endpoint=row.pk)


def _secret_variables(row: GpuEndpoint, env: Mapping[str, str]) -> list[str]:
    """Values of its variables, there and here, but those that say what the model is, as far as they can be masked."""
    both = [*env.items(), *row.spec.get("env", {}).items()]
    return [value for name, value in both if name not in RESERVED and len(value) >= secrets.MINIMUM_LENGTH]


def _event(line: LogLine, masker: StreamMasker) -> bytes:
    text = masker.mask(line.text.encode()).decode(errors="replace")
    return _named("line", {"text": text, "source": line.source}, line.id)


def _named(name: str, data: dict[str, str], identifier: str = "") -> bytes:
    head = f"id: {identifier}\n" if CURSOR.fullmatch(identifier) else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
