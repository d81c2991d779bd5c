"""A server that answers as a test wants it to."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = Callable[[BaseHTTPRequestHandler], None]


class Scripted:
    """Answers by `routes`: "METHOD /path" -> what writes the answer. `requests`: what came, with headers and body."""

    def __init__(self, routes: dict[str, Answer]) -> None:
        self.routes = routes
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                line = f"{self.command} {self.path}"
                outer.requests.append((line, dict(self.headers), body))
                outer.routes.get(line, answer(404, {"error": {"message": "Not Found"}}))(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_details: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    """JSON, or the text or bytes as they are."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    return write


def in_turn(*answers: Answer) -> Answer:
    """The first one first; the last one for ever."""
    rest = list(answers)

    def write(handler: BaseHTTPRequestHandler) -> None:
        (rest.pop(0) if len(rest) > 1 else rest[0])(handler)

    return write


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    """The connection ends within the body."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """A byte now and then, without end."""
    handler.send_response(200)
    handler.end_headers()
    wait = threading.Event()
    with suppress(OSError):  # the other side has gone
        for _ in range(400):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            wait.wait(0.05)


def silent(handler: BaseHTTPRequestHandler) -> None:
    """Not a word until the other side has gone."""
    handler.connection.recv(1)
