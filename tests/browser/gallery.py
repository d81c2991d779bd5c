"""A small server of its own that shows the components with sample data: no database, no worker.

Run `python -m tests.browser.gallery 8200` and open /p/deployment, /p/plan, /p/states (add ?lang=ko).
The /control/ addresses let a test play the server's part of the stream.
"""

import base64
import json
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings

TAGS = ("icons", "figures", "moments", "drawings", "navigation", "texts")
ROOT = Path(__file__).resolve().parents[2]


def configure() -> None:
    """Settings for templates and static files alone, with the strict policy of the product."""
    own = ["'self'"]
    settings.configure(
        DEBUG=True,
        DATA_UPLOAD_MAX_MEMORY_SIZE=None,
        SECRET_KEY="gallery",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="tests.browser.gallery",
        USE_TZ=True,
        TIME_ZONE="Asia/Seoul",
        LANGUAGE_CODE="en",
        LANGUAGES=[("ko", "한국어"), ("en", "English")],
        LOCALE_PATHS=[ROOT / "locale"],
        INSTALLED_APPS=["django.contrib.staticfiles"],
        MIDDLEWARE=["django.middleware.csp.ContentSecurityPolicyMiddleware"],
        SECURE_CSP={
            "default-src": ["'none'"], "script-src": own, "style-src": own, "img-src": own, "font-src": own,
            "connect-src": own, "form-action": own, "base-uri": ["'none'"],
        },
        STATIC_URL="/static/",
        STATICFILES_DIRS=[ROOT / "static", ROOT / "tests" / "browser" / "vendor"],
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [ROOT / "templates", ROOT / "tests" / "browser" / "pages"],
            "OPTIONS": {
                "context_processors": [f"django.template.context_processors.{name}" for name in ("request", "csrf")],
                "libraries": {name: f"releases.templatetags.{name}" for name in TAGS},
                "builtins": [],
            },
        }],
    )  # fmt: skip


if not settings.configured:
    configure()
    import django

    django.setup()

from django.contrib.staticfiles.views import serve  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.shortcuts import render  # noqa: E402
from django.urls import include, path, re_path  # noqa: E402
from django.utils import translation  # noqa: E402

from tests.browser import sample, sample_log  # noqa: E402


class Stage:
    """What the tests set: the stored log, the open streams, the answer of the stream's address."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start a test afresh."""
        self.log = sample_log.LOG.encode()
        self.streams: list[queue.Queue[str | None]] = []
        self.sent: list[tuple[int, str]] = []
        self.status = 200
        self.broken_lives = 0  # answers of the live part that fail before one succeeds
        self.version = 1
        self.connections: list[dict[str, str]] = []
        self.served = 0

    def send(self, name: str, data: object) -> None:
        """Give an event to every open stream and keep it for those that come back."""
        with self.lock:
            number = len(self.sent) + 1
            block = f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
            self.sent.append((number, block))
            for stream in self.streams:
                stream.put(block)

    def append(self, more: bytes, *, store: bool = True, announce: bool = True) -> None:
        """Grow the log by a piece, as a step on a host does."""
        piece = {
            "attempt": 12, "step": "s10", "offset": len(self.log), "line": self.log.count(b"\n") + 1,
            "at": "2026-11-24T17:14:00.000Z", "data": base64.b64encode(more).decode(),
        }  # fmt: skip
        if store:
            self.log += more
        if announce:
            self.send("log", piece)


STAGE = Stage()


def page(request: HttpRequest, name: str) -> HttpResponse:
    """One page of the gallery."""
    values = sample.context() | {
        "stream_url": "/events" if "stream" in request.GET else "",
        "section": "deployments",
        "active_state": "running",
        "version": STAGE.version,
        "folded": "folded" in request.GET,
    }
    values["pane"]["total_lines"] = STAGE.log.count(b"\n")
    with translation.override(request.GET.get("lang", "en")):
        return render(request, f"{name}.html", values)


def live(request: HttpRequest) -> HttpResponse:
    """The live part, as a refresh gets it."""
    if STAGE.broken_lives:
        STAGE.broken_lives -= 1
        return HttpResponse(status=502)
    STAGE.served += 1
    return page(request, "live")


def log(request: HttpRequest) -> JsonResponse:
    """The lines of the stored log."""
    start, count = int(request.GET["from_line"]), int(request.GET["lines"])
    return JsonResponse(sample_log.log_answer(STAGE.log, start, min(count, 5000)))


def events(request: HttpRequest) -> HttpResponse:
    """The stream, from the cursor on."""
    after = int(request.headers.get("Last-Event-ID") or request.GET.get("after") or 0)
    STAGE.connections.append({"after": str(after)})
    if STAGE.status != 200:
        return HttpResponse(status=STAGE.status)

    def body() -> Iterator[bytes]:
        mine: queue.Queue[str | None] = queue.Queue()
        with STAGE.lock:
            STAGE.streams.append(mine)
            missed = [block for number, block in STAGE.sent if number > after]
        yield b": hello\n\n"
        for block in missed:
            yield block.encode()
        while True:
            try:
                block = mine.get(timeout=1)
            except queue.Empty:
                yield b": ping\n\n"
                continue
            if block is None:
                return
            yield block.encode()

    return StreamingHttpResponse(body(), content_type="text/event-stream")


def control(request: HttpRequest, act: str) -> JsonResponse:
    """The strings that a test pulls."""
    if act == "reset":
        STAGE.reset()
    elif act == "log":
        STAGE.log = request.body
    elif act == "append":
        STAGE.append(request.body, store="unstored" not in request.GET, announce="silent" not in request.GET)
    elif act == "send":
        STAGE.version = int(request.GET.get("version", STAGE.version))
        STAGE.send(request.GET["name"], json.loads(request.body or b"{}"))
    elif act == "drop":
        with STAGE.lock:
            for stream in STAGE.streams:
                stream.put(None)
            STAGE.streams = []
    elif act == "status":
        STAGE.status = int(request.GET["code"])
    elif act == "break":
        STAGE.broken_lives = int(request.GET["times"])
    return JsonResponse({"connections": STAGE.connections, "served": STAGE.served, "size": len(STAGE.log)})


def check(request: HttpRequest) -> JsonResponse:
    """The editor's check: a line that holds "bad" is wrong."""
    text = request.POST["text"]
    wrong = [number for number, line in enumerate(text.split("\n"), start=1) if "bad" in line]
    return JsonResponse(
        {"errors": [{"line": n, "column": 1, "message": f"bad on {n}", "mend": "Mend it."} for n in wrong]}
    )


def nowhere(request: HttpRequest, **_: str) -> HttpResponse:
    """A page that only has an address."""
    return HttpResponse("elsewhere")


SECTIONS = (
    "dashboard", "deployments", "releases", "runbooks", "hosts",
    "gpu_endpoints", "backups", "history", "audit", "announcements", "notices", "system",
    "insights", "costs", "risks", "wiki", "search", "me",
)  # fmt: skip
urlpatterns = [
    path("p/<slug:name>", page),
    path("live", live),
    path("attempts/12/log", log),
    path("attempts/12/raw", lambda request: HttpResponse(STAGE.log, content_type="application/octet-stream")),
    path("events", events),
    path("control/<slug:act>", control),
    path("check", check),
    path("login/", nowhere, name="login"),
    path("logout/", nowhere, name="logout"),
    path("i18n/setlang/", nowhere, name="set_language"),
    path("s/", include(([path(name, nowhere, name=name) for name in SECTIONS], "releases"))),
    re_path(r"^static/(?P<path>.*)$", serve),
]


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request, so that an open stream does not keep the others out."""

    daemon_threads = True
    request_queue_size = 128


class Quiet(WSGIRequestHandler):
    """Does not print a line a request."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


def main() -> None:
    """Serve until stopped; prints the port it took."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with make_server("127.0.0.1", port, WSGIHandler(), server_class=Server, handler_class=Quiet) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    # The URLconf is this module under its own name, so the state must live there and not in __main__.
    from tests.browser import gallery

    gallery.main()
