"""Browsers that watch a deployment: a real session, the real page, the real event stream."""

import base64
import fcntl
import html
import json
import re
import socket
import struct
import termios
import threading
import time
from collections.abc import Iterator
from types import TracebackType

import httpx

from tests.engine.sshd import free_port
from tests.faults.rig import Program, Rig, until
from tests.faults.run import Run

PASSWORD = "a-long-password"  # what tests/factories.py gives everyone
AGAIN = 0.2  # seconds between two tries to connect
SMALL = 4096  # bytes that the socket of a viewer who does not read may hold


class Website:
    """The web process of a rig, on a port of its own."""

    def __init__(self, rig: Rig) -> None:
        self.program: Program = rig.program("web")
        if "CLOUDWIKI_PORT" not in self.program.environment:
            self.program.environment = self.program.environment | {"CLOUDWIKI_PORT": str(free_port())}
        self.port = int(self.program.environment["CLOUDWIKI_PORT"])
        self.address = f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Start it unless it runs; returns when it answers."""
        if not self.is_running():
            self.program.start()
        until(self.answers, 90, "the web process")

    def is_running(self) -> bool:
        """Its process is there."""
        return self.program.process is not None and self.program.process.poll() is None

    def answers(self) -> bool:
        """It serves requests."""
        try:
            return httpx.get(f"{self.address}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def memory(self) -> int:
        """Bytes that it holds."""
        return sum(process.memory_info().rss for process in self.program.family())

    def sign_in(self, name: str) -> httpx.Client:
        """A browser with a session."""
        browser = httpx.Client(base_url=self.address, timeout=httpx.Timeout(30.0, read=60.0))
        browser.get("/login/").raise_for_status()
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        answer = browser.post("/login/", data=form)
        assert answer.status_code == 302, f"signing in was answered with {answer.status_code}"
        return browser


class Viewer:
    """A page that is open on a deployment, in a thread: connects again until it is told that all is over.

    Takes events as strictly as static/js does: a byte that comes twice or is left out is an error.
    """

    def __init__(self, site: Website, browser: httpx.Client, run: Run) -> None:
        self.site, self.browser = site, browser
        page = browser.get(f"/deployments/{run.pk}/")
        page.raise_for_status()
        found = re.search(r'data-stream-url="([^"]+)" data-cursor="([^"]*)"', page.text)
        assert found, f"the page of #{run.pk} has no stream"
        self.path, self.cursor = html.unescape(found[1]), html.unescape(found[2])
        self.logs: dict[int, bytes] = {}
        self.connections, self.last, self.problem = 0, "", ""
        self._closed = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Viewer":
        self._thread.start()
        until(lambda: self.connections or self.problem, 60, "a stream")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self.browser.close()
        self._thread.join(30)

    @property
    def seen(self) -> int:
        """Bytes of log, of all attempts."""
        return sum(len(log) for log in list(self.logs.values()))

    def is_over(self) -> bool:
        """It was told that nothing more will happen, or something was wrong."""
        return bool(self.problem) or self.last == "done"

    def _watch(self) -> None:
        while not self._closed and not self.is_over():
            try:
                self._once()
            except httpx.HTTPError:
                time.sleep(AGAIN)
            except Exception as error:
                self.problem = self.problem or f"{type(error).__name__}: {error}"

    def _once(self) -> None:
        headers = {"Last-Event-ID": self.cursor} if self.cursor else {}
        with self.browser.stream("GET", self.path, headers=headers) as answer:
            answer.raise_for_status()
            self.connections += 1
            for block in _blocks(answer.iter_bytes()):
                self._apply(block)
                if self.is_over() or self._closed:
                    return

    def _apply(self, block: bytes) -> None:
        if block.startswith(b":"):
            return
        fields = dict(line.split(": ", 1) for line in block.decode().strip().splitlines())
        if fields["event"] == "log":
            self._log(json.loads(fields["data"]))
        self.cursor = fields.get("id", self.cursor)
        self.last = fields["event"]

    def _log(self, piece: dict[str, object]) -> None:
        attempt, offset = int(str(piece["attempt"])), int(str(piece["offset"]))
        shown = self.logs[attempt] if attempt in self.logs else self._before(attempt, offset)
        if offset != len(shown):
            what = "comes twice" if offset < len(shown) else "is left out"
            raise ValueError(f"byte {min(offset, len(shown))} of attempt {attempt} {what}")
        self.logs[attempt] = shown + base64.b64decode(str(piece["data"]))

    def _before(self, attempt: int, offset: int) -> bytes:
        """What a log holds before its first piece here: of one that is long already, the stream gives the end only."""
        found = b""
        with self.browser.stream("GET", f"/attempts/{attempt}/log/raw") as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                if len(found) >= offset:
                    break
                found += chunk
        return found[:offset]


class Sleeper:
    """A page whose machine sleeps: it is connected and reads nothing."""

    def __init__(self, site: Website, viewer: Viewer) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.socket.connect(("127.0.0.1", site.port))
        cookies = "; ".join(f"{name}={value}" for name, value in viewer.browser.cookies.items())
        lines = [f"GET {viewer.path}?after={viewer.cursor} HTTP/1.1", f"Host: 127.0.0.1:{site.port}"]
        self.socket.sendall("\r\n".join([*lines, f"Cookie: {cookies}", "", ""]).encode())

    def unread(self) -> int:
        """Bytes that lie in its socket; reading them would let the server send more."""
        (size,) = struct.unpack("i", fcntl.ioctl(self.socket, termios.FIONREAD, b"\0\0\0\0"))
        return int(size)

    def close(self) -> None:
        """The machine is gone."""
        self.socket.close()


def _blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole events; one that the end of the connection cut off is dropped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n\n")
        yield from whole
