"""Requests of probes against real servers."""

import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from releases.probes.answers import BODY_LIMIT, Check, explain
from releases.probes.http import HttpProber
from tests.engine.probes.conftest import LOOPBACK


class Page(BaseHTTPRequestHandler):
    asked: list

    def do_GET(self):
        self.asked.append((self.path, dict(self.headers)))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/health")
            self.end_headers()
        elif self.path == "/slow":
            time.sleep(1)
        elif self.path == "/endless":
            self.endless()
        elif self.path == "/late-word":
            self.reply(b"x" * BODY_LIMIT + b"UP")
        elif self.path == "/broken":
            self.wfile.write(b"not http at all\r\n\r\n")
        else:
            self.reply(b'{"status":"UP"}', 503 if self.path == "/sick" else 200)

    def reply(self, body, status=200):
        self.send_response(status)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def endless(self):
        self.send_response(200)
        self.end_headers()
        self.server.sent = 0
        try:
            while True:
                self.wfile.write(b"x" * 10_000)
                self.server.sent += 10_000
        except OSError:
            self.server.cut.set()

    def log_message(self, *_arguments):
        pass


@contextmanager
def serve(context=None):
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Page", (Page,), {"asked": asked}))
    server.cut, server.asked, server.port = threading.Event(), asked, server.server_address[1]
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def server():
    with serve() as running:
        yield running


async def ask(url, allowed=LOOPBACK, lookup=None, **fields):
    async with HttpProber(allowed, **({"lookup": lookup} if lookup else {})) as prober:
        return await prober.ask(Check(probe=1, url=url, **fields))


@pytest.mark.parametrize(
    ("path", "fields", "ok", "detail"),
    [
        ("/health", {}, True, ""),
        ("/health?deep=1", {"expected_text": '"UP"'}, True, ""),
        ("/health", {"expected_text": "DOWN"}, False, "text"),
        ("/sick", {}, False, "status:503"),
        ("/sick", {"expected_status": 503}, True, ""),
        ("/moved", {}, False, "status:302"),
        ("/slow", {"timeout": 0.2}, False, "timeout:0.2"),
        ("/late-word", {"expected_text": "UP"}, False, "text"),
        ("/broken", {}, False, "broken:RemoteProtocolError"),
    ],
)
async def test_it_judges_an_answer(server, path, fields, ok, detail):
    answer = await ask(f"http://127.0.0.1:{server.port}{path}", **fields)
    assert (answer.ok, answer.detail) == (ok, detail)
    assert 0 < answer.milliseconds < 5000


async def test_it_does_not_follow_a_redirect(server):
    server.asked.clear()
    await ask(f"http://127.0.0.1:{server.port}/moved")
    assert [path for path, _headers in server.asked] == ["/moved"]


async def test_it_reads_no_more_than_it_looks_at():
    with serve() as server:
        answer = await ask(f"http://127.0.0.1:{server.port}/endless", expected_text="never")
        assert (answer.ok, answer.detail) == (False, "text")
        assert server.cut.wait(5)
        assert server.sent < 40_000_000


async def test_it_sends_the_name_to_the_checked_address(server):
    answer = await ask(f"http://app.example:{server.port}/", lookup=lambda _name, _port: ["127.0.0.1"])
    assert answer.ok
    assert server.asked[-1][1]["Host"] == f"app.example:{server.port}"


async def test_it_sends_nothing_to_a_refused_address(server):
    server.asked.clear()
    answer = await ask(f"http://127.0.0.1:{server.port}/health", allowed=())
    assert answer.ok is None
    assert "PROBE_ALLOWED_NETWORKS" in explain(answer.detail)
    assert server.asked == []


async def test_the_proxy_of_the_environment_is_not_used(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await ask(f"http://127.0.0.1:{server.port}/health")).ok


async def test_a_closed_port_is_a_failure():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        answer = await ask(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert (answer.ok, answer.detail) == (False, "refused")


async def test_a_resolver_that_hangs_costs_no_more_than_the_limit():
    release = threading.Event()

    def lookup(_name, _port):
        release.wait(10)
        return ["127.0.0.1"]

    started = time.monotonic()
    answer = await ask("http://app.example/", lookup=lookup, timeout=0.2)
    release.set()
    assert answer.detail == "timeout:0.2"
    assert time.monotonic() - started < 5


async def test_a_name_that_does_not_exist_is_a_failure():
    answer = await ask("http://app.example/", lookup=lambda _name, _port: [])
    assert (answer.ok, answer.detail) == (False, "name:app.example")


async def test_an_untrusted_certificate_is_a_failure(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
         key, "-out", certificate, "-subj", "/CN=localhost", "-days", "2"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serve(context) as server:
        answer = await ask(f"https://127.0.0.1:{server.port}/health")
    assert answer.ok is False
    assert answer.detail.startswith("tls:")
