"""The maintenance page on a real nginx: shown, taken away, and never at the price of a broken configuration."""

import html
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

from releases.engine import clock
from releases.models import Attempt
from tests.engine.stage import Done, Stage

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="it needs nginx (Debian: apt-get install nginx-light)")
SAID = 'Back at 3 "sharp" $uri \\ {'
CONFIG = """
daemon off; {user} worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fast;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  server {{ listen 127.0.0.1:{port}; include {include}; location / {{ return 200 "the service"; }} }}
}}
"""


@dataclass
class Proxy:
    """A running nginx whose server block includes what lies in `folder`."""

    stage: Stage
    root: Path
    folder: Path
    port: int

    @property
    def include(self) -> Path:
        return self.folder / "maintenance.conf"

    def set(self, shows: bool, **more: Any) -> Done:
        called = f"{NGINX} -p {self.root} -c {self.root}/nginx.conf"
        parameters = {"shows": shows, "include": str(self.include), "nginx": called, **more}
        return self.stage.perform("maintenance_page", parameters)

    def ask(self, path: str = "/") -> tuple[int, dict[str, str], str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read().decode()

    def until(self, status: int) -> tuple[int, dict[str, str], str]:
        """The answer once a reload has come into effect."""
        end = time.monotonic() + 20
        while (found := self.ask("/any/path?x=1"))[0] != status:
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found


@pytest.fixture
def proxy(stage: Stage, tmp_path: Path) -> Iterator[Proxy]:
    root, folder = tmp_path / "nginx", stage.home / "web"
    root.mkdir()
    folder.mkdir()
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Proxy(stage, root, folder, port)
    (root / "nginx.conf").write_text(
        CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "", root=root, port=port, include=f"{folder}/maintenance*.conf"
        )
    )
    assert NGINX is not None
    process = subprocess.Popen([NGINX, "-p", root, "-c", root / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                assert made.ask() == (200, made.ask()[1], "the service")
                break
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < end and process.poll() is None, (root / "error.log").read_text()
                time.sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait()


def left_over(proxy: Proxy) -> list[str]:
    return sorted(path.name for path in proxy.folder.iterdir() if path.name.startswith("."))


def test_users_see_the_page_then_the_service_again(proxy: Proxy) -> None:
    for _twice in range(2):
        done = proxy.set(True, title={"ko": "점검 <중>", "en": SAID}, retry_after=90)
        assert done.problem == "", done.log
        status, headers, text = proxy.until(503)
        assert (headers["Retry-After"], headers["Content-Type"]) == ("90", "text/html; charset=utf-8")
        assert "점검 &lt;중&gt;" in text and SAID in html.unescape(text) and status == 503
    for _twice in range(2):
        done = proxy.set(False)
        assert done.problem == "", done.log
        assert proxy.until(200)[2] == "the service"
    assert not proxy.include.exists() and left_over(proxy) == []


def test_a_page_of_ones_own(proxy: Proxy) -> None:
    page = proxy.folder / "mine.html"
    page.write_text("<h1>mine</h1>")
    assert proxy.set(True, page=str(page)).problem == ""
    assert proxy.until(503)[2] == "<h1>mine</h1>"
    with override("en"):
        assert "no page" in proxy.set(True, page=str(page) + "-gone").problem
    assert proxy.until(503)[2] == "<h1>mine</h1>", "what was shown stays"


def test_what_nginx_refuses_is_put_back(proxy: Proxy) -> None:
    config = proxy.root / "nginx.conf"
    good = config.read_text()
    config.write_text(good.replace("daemon off;", "daemon off; nonsense;"))
    with override("en"):
        for shows in (True, False):
            done = proxy.set(shows)
            assert "nginx refuses" in done.problem and "nonsense" in done.log
    assert not proxy.include.exists() and left_over(proxy) == []
    config.write_text(good)
    assert proxy.set(True).problem == ""
    before = proxy.include.read_text()
    config.write_text(good.replace("daemon off;", "daemon off; nonsense;"))
    with override("en"):
        assert "nginx refuses" in proxy.set(False).problem
    assert proxy.include.read_text() == before and left_over(proxy) == []
    assert proxy.until(503)[0] == 503


def test_an_include_that_nginx_does_not_read_is_a_failure(proxy: Proxy) -> None:
    with override("en"):
        done = proxy.set(True, include=str(proxy.folder / "elsewhere.conf"))
        assert "does not read" in done.problem
        assert "no folder" in proxy.set(True, include=str(proxy.folder / "none" / "x.conf")).problem
        assert "can't stand" in proxy.set(True, page=str(odd(proxy))).problem
    assert proxy.ask()[0] == 200
    assert [path.name for path in proxy.folder.iterdir() if path.suffix == ".conf"] == []


def odd(proxy: Proxy) -> Path:
    path = proxy.folder / "a page; return 200.html"
    path.write_text("x")
    return path


def test_a_reload_that_fails_is_put_back(proxy: Proxy) -> None:
    shim = proxy.stage.home / "nginx-without-reload"
    shim.write_text(
        f'#!/bin/sh\ncase " $* " in *" reload "*) echo "no reload" >&2; exit 1 ;; esac\nexec {NGINX} "$@"\n'
    )
    shim.chmod(0o755)
    called = f"{shim} -p {proxy.root} -c {proxy.root}/nginx.conf"
    with override("en"):
        assert "could not be reloaded" in proxy.set(True, nginx=called).problem
    assert not proxy.include.exists() and left_over(proxy) == []


def test_killed_in_the_middle_and_run_again(proxy: Proxy) -> None:
    """What is put back is what was there before the first try, not what that left."""
    shim, mark = proxy.stage.home / "nginx-killed-once", proxy.stage.home / "was-killed"
    shim.write_text(f'#!/bin/sh\n[ -e {mark} ] || {{ : >{mark}; kill -9 $PPID; exit 1; }}\nexec {NGINX} "$@"\n')
    shim.chmod(0o755)
    done = proxy.set(True, nginx=f"{shim} -p {proxy.root} -c {proxy.root}/nginx.conf")
    assert done.problem != "" and proxy.include.exists() and len(left_over(proxy)) == 1
    Attempt.objects.filter(pk=done.context.attempt.pk).update(status="failed", finished_at=clock.now())
    config = proxy.root / "nginx.conf"
    good = config.read_text()
    config.write_text(good.replace("daemon off;", "daemon off; nonsense;"))
    with override("en"):
        again = proxy.stage.attempt(done.context.deployment, number=2)
    assert "nginx refuses" in again.problem
    assert not proxy.include.exists() and left_over(proxy) == []
    config.write_text(good)
    Attempt.objects.filter(pk=again.context.attempt.pk).update(status="failed", finished_at=clock.now())
    assert proxy.stage.attempt(done.context.deployment, number=3).problem == ""
    assert proxy.until(503)[0] == 503


def test_a_text_that_nginx_could_not_hold_is_refused(proxy: Proxy) -> None:
    with override("en"):
        assert "too long" in proxy.set(True, text={"en": "x" * 4000}).problem


def test_a_file_of_somebody_else_is_left_alone(proxy: Proxy) -> None:
    proxy.include.write_text("# mine\n")
    with override("en"):
        for shows in (True, False):
            assert "something else" in proxy.set(shows).problem
    assert proxy.include.read_text() == "# mine\n" and left_over(proxy) == []
