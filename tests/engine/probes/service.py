"""A small HTTP service in its own process, that really stops and starts, and a poller that watches it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Self
from urllib.request import ProxyHandler, build_opener

CODE = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"UP")
    def log_message(self, *_): pass
class Server(ThreadingHTTPServer):
    allow_reuse_address = True
Server(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


class LocalService:
    """A service on a free port of loopback."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/health"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen([sys.executable, "-S", "-c", CODE, str(self.port)])
        deadline = time.monotonic() + 20
        while not answers(self.url):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It accepts connections and answers nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop()


def answers(url: str, timeout: float = 1.0) -> bool:
    """One request, by other means than the probes'."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=timeout) as response:
            return response.status == 200
    except OSError:
        return False


class Poller:
    """Asks ten times a second, as a person with a script would, and adds up the time without an answer."""

    def __init__(self, url: str) -> None:
        self.down = 0.0
        self._url = url
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        failed_at = None
        due = time.monotonic()
        while not self._end.wait(max(0.0, due - time.monotonic())):
            due += 0.1
            at = time.monotonic()
            if answers(self._url, 0.5):
                self.down += at - failed_at if failed_at is not None else 0.0
                failed_at = None
            elif failed_at is None:
                failed_at = at

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._end.set()
        self._thread.join()
