"""The public page with PostgreSQL and Valkey really away: servers and a web process of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import feedparser
import httpx
import pytest
from icalendar import Calendar

from cloudwiki.embedded import Servers
from tests.platform.running import PATIENCE, ROOT

NAMES = ("", "1/", "embed/", "banner/", "badge.svg", "feed.atom", "feed.json", "calendar.ics", "status.json")
QUICK = 1.0  # seconds until the first byte, once the database is known to be away; a busy machine is slow
FIRST = 5.0  # of the visitor who finds out
LATE = "the dashboard's own database does not answer right now"
ROWS = """
from django.utils import timezone
from releases.models import *
from datetime import timedelta
project = Project.objects.create(slug="shop", name="Shop")
service = Service.objects.create(project=project, key="api", name="API", kind="backend")
place = Environment.objects.create(project=project, key="production", name="P", is_production=True)
probe = Probe.objects.create(environment=place, service=service, url="http://127.0.0.1:1/")
begins = timezone.now() + timedelta(hours=3)
row = Announcement.objects.create(
    environment=place, kind="maintenance", title_ko="점검", title_en="Maintenance", starts_at=begins,
    ends_at=begins + timedelta(minutes=9),
)
AnnouncementRevision.objects.create(announcement=row, state="scheduled", title_ko="점검", title_en="Maintenance")
Project.objects.create(slug="never-seen", name="Never seen")
"""


class Installation:
    """PostgreSQL, Valkey and the web process of one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers = Servers(folder, durable=False)
        self.servers.start()
        inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.environment = inherited | {
            "CLOUDWIKI_DATA": str(folder),
            "CLOUDWIKI_PORT": str(port),
            "CLOUDWIKI_GRACEFUL_SECONDS": "1",
            "DJANGO_SETTINGS_MODULE": "cloudwiki.settings",
        }
        self.address = f"http://127.0.0.1:{port}"
        self.web: subprocess.Popen[bytes] | None = None

    @property
    def postgres(self) -> Any:
        return next(member for member in self.servers.members if member.name == "postgres")

    @property
    def valkey(self) -> Any:
        return next(member for member in self.servers.members if member.name == "valkey")

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start_web(self) -> None:
        self.web = subprocess.Popen(
            [sys.executable, "-m", "cloudwiki", "web"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self.is_up)

    def stop_web(self) -> None:
        if self.web is not None:
            self.web.kill()
            self.web.wait()

    def is_up(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/healthz", timeout=5).status_code == 200
        return False

    def get(self, name: str = "", slug: str = "shop", language: str = "en") -> httpx.Response:
        return httpx.get(
            f"{self.address}/announcements/{slug}/{name}", headers={"Accept-Language": language}, timeout=30
        )

    def close(self) -> None:
        self.stop_web()
        with contextlib.suppress(Exception):
            self.postgres.process.send_signal(signal.SIGCONT)
        self.servers.stop()


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    parent = Path(tempfile.mkdtemp(prefix="cwt-", dir="/tmp"))
    parent.chmod(0o711)
    made = Installation(parent / "data")
    try:
        made.run("manage.py", "migrate", "-v", "0")
        made.run("manage.py", "shell", "-v", "0", "-c", ROWS)
        made.start_web()
        yield made
    finally:
        made.close()
        for link in parent.glob("*/run"):
            if link.is_symlink():
                shutil.rmtree(link.readlink(), ignore_errors=True)
        shutil.rmtree(parent, ignore_errors=True)


@contextlib.contextmanager
def postgres_stopped(made: Installation) -> Iterator[None]:
    made.postgres.stop()
    try:
        yield
    finally:
        made.postgres.start()


@contextlib.contextmanager
def postgres_frozen(made: Installation) -> Iterator[None]:
    """It takes connections and never says a word: worse than gone."""
    made.postgres.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        made.postgres.process.send_signal(signal.SIGCONT)


def see(made: Installation) -> None:
    """A fresh state of everything, and the database known to answer."""
    until(lambda: made.get().status_code == 200 and LATE not in made.get().text)
    until(lambda: made.get("status.json").json()["late"] is False)


@pytest.mark.parametrize("away", [postgres_stopped, postgres_frozen], ids=["stopped", "frozen"])
def test_everything_answers_without_postgresql(installation: Installation, away: Any) -> None:
    see(installation)
    with away(installation):
        until(lambda: LATE in installation.get().text, 20)
        for name in NAMES:
            answer = installation.get(name)
            assert answer.status_code == 200, name
            assert answer.elapsed.total_seconds() < QUICK, name
        page = installation.get().text
        assert "Maintenance" in page
        assert "As of " in page
        assert "기준입니다" in installation.get(language="ko").text
        assert installation.get("status.json").json()["late"] is True
        assert "as of" in installation.get("badge.svg").text
        assert len(feedparser.parse(installation.get("feed.atom").content).entries) == 1
        assert len(installation.get("feed.json").json()["items"]) == 1
        assert len(Calendar.from_ical(installation.get("calendar.ics").content).walk("VEVENT")) == 1  # type: ignore[arg-type]
    see(installation)


@pytest.mark.parametrize("away", [postgres_stopped, postgres_frozen], ids=["stopped", "frozen"])
def test_nobody_waits_long_to_find_out(installation: Installation, away: Any) -> None:
    see(installation)
    with away(installation):
        slowest = 0.0
        end = time.monotonic() + 8
        while time.monotonic() < end:
            slowest = max(slowest, installation.get().elapsed.total_seconds())
        assert slowest < FIRST
    see(installation)


def test_a_web_process_that_starts_without_a_database_shows_the_last_state(installation: Installation) -> None:
    see(installation)
    installation.stop_web()
    with postgres_stopped(installation):
        installation.start_web()
        until(lambda: LATE in installation.get().text, 20)  # a state of less than three seconds is not looked into
        answer = installation.get()
        assert answer.status_code == 200
        assert "Maintenance" in answer.text
        assert httpx.get(f"{installation.address}/announcements/", timeout=30).status_code == 302
        nothing = installation.get(slug="never-seen")
        assert nothing.status_code == 503
        assert nothing.headers["Retry-After"] == "10"
        assert installation.get("999/").status_code == 503  # it may well be there
    see(installation)
    assert installation.get("999/").status_code == 404


def test_valkey_is_not_needed_at_all(installation: Installation) -> None:
    see(installation)
    installation.valkey.stop()
    try:
        for name in NAMES:
            answer = installation.get(name)
            assert answer.status_code == 200, name
            assert LATE not in answer.text
            assert answer.elapsed.total_seconds() < QUICK, name
    finally:
        installation.valkey.start()


def test_both_away_are_no_worse(installation: Installation) -> None:
    see(installation)
    installation.valkey.stop()
    try:
        with postgres_stopped(installation):
            until(lambda: LATE in installation.get().text, 20)
            assert [installation.get(name).status_code for name in NAMES] == [200] * len(NAMES)
    finally:
        installation.valkey.start()
    see(installation)


def test_beat_s_task_writes_the_files_that_a_proxy_hands_out(installation: Installation) -> None:
    """What `publish_pages` does in a worker, in a process of its own."""
    code = "from releases.tasks import publish_pages; publish_pages()"
    place = installation.folder / "public" / "shop"
    installation.run("manage.py", "shell", "-v", "0", "-c", code)
    for language, word in (("ko", "점검"), ("en", "Maintenance")):
        assert word in (place / f"{language}.html").read_text()
        assert len(feedparser.parse((place / f"{language}.atom.xml").read_bytes()).entries) == 1
        assert (place / f"{language}.badge.svg").read_text().startswith("<svg")
        assert (place / f"{language}.calendar.ics").exists()
    assert (place / "status.json").stat().st_mode & 0o777 == 0o644
    kept = {path.name for path in place.glob(".*")}
    assert kept == {".rendered", ".rendered-past"}  # nothing half written is left
    off = "from releases.models import Project; Project.objects.filter(slug='never-seen').update(public_page=False)"
    assert (installation.folder / "public" / "never-seen").exists()
    installation.run("manage.py", "shell", "-v", "0", "-c", f"{off}; {code}")
    assert not (installation.folder / "public" / "never-seen").exists()
    installation.run("manage.py", "shell", "-v", "0", "-c", off.replace("False", "True"))
