"""A whole Cloud Wiki with its demo host, and its people in browsers of their own.

One installation serves every test of pages. Production there has the demo's own procedure. Staging asks nobody, so
that a test can run a procedure of its own in seconds; its host is enrolled anew through the pages.
"""

import json
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.platform.running import Up

PATIENCE = 120.0  # seconds for what takes one on a quiet machine
OVER = "succeeded", "failed", "errored", "cancelled", "unknown"


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
    return answer


class Person:
    """Somebody at the pages, with a browser profile of their own."""

    def __init__(self, wiki: "Wiki", username: str, page: Page) -> None:
        self.wiki, self.username, self.page = wiki, username, page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("console", lambda message: self._heard(message.type, message.text))

    def _heard(self, kind: str, text: str) -> None:
        # Refused and cut-off requests are part of some tests; Chromium reports each of them as an error too.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.faults.append(text)

    def open(self, path: str) -> Page:
        """Go to a path of the installation."""
        self.page.goto(self.wiki.address + path)
        return self.page

    def log_in(self) -> None:
        """Through the form, as people do."""
        if "/login/" not in self.page.url:
            self.open("/login/")
        self.page.locator("#id_username").fill(self.username)
        self.page.locator("#id_password").fill(self.wiki.passwords[self.username])
        self.page.locator("#id_password").press("Enter")
        self.page.wait_for_url(lambda address: "/login/" not in address)

    def post(self, path: str, /, **values: str) -> tuple[int, str]:
        """A POST that no page offered, with this person's session and a right CSRF token: status and body."""
        cookies = {cookie["name"]: cookie["value"] for cookie in self.page.context.cookies()}
        form = values | {"csrfmiddlewaretoken": cookies["csrftoken"]}
        headers = {"Referer": f"{self.wiki.address}/"}
        answer = self.page.request.post(self.wiki.address + path, form=form, headers=headers, max_redirects=0)
        return answer.status, answer.text()

    def api(self, path: str) -> Any:
        """What the API says."""
        return self.page.request.get(f"{self.wiki.address}/api{path}").json()

    def deployment(self, number: int) -> dict[str, Any]:
        """The deployment as the API tells it."""
        return dict(self.api(f"/deployments/{number}"))

    def prepare(self, environment: str, release: str = "v1.1.0") -> int:
        """Make a draft through the form; returns its number."""
        self.open("/deployments/new")
        self.choose("release", release)
        self.choose("environment", environment)
        self.page.locator("main form button.go").click()
        self.page.wait_for_url(re.compile(r"/deployments/\d+/$"))
        return self.number()

    def choose(self, name: str, text: str) -> None:
        """Choose in a list by the last words of what it shows."""
        field = self.page.locator(f"select[name={name}]")
        options = field.locator("option").all()
        found = [one for one in options if f" {(one.text_content() or '').strip()}".endswith(f" {text}")]
        field.select_option(found[0].get_attribute("value"))

    def number(self) -> int:
        """Of the deployment that the page shows."""
        found = re.search(r"/deployments/(\d+)/", self.page.url)
        assert found, self.page.url
        return int(found[1])

    def press_start(self) -> None:
        """Wait until nothing is in the way, then start."""
        button = self.page.locator("#start .btn.go")
        expect(button).to_be_enabled(timeout=PATIENCE * 1000)
        name = self.page.locator("#confirm-name")
        if name.count():
            name.fill("운영")
        button.click()
        expect(self.page.locator(".dbar")).to_be_visible(timeout=PATIENCE * 1000)

    def until_over(self, number: int) -> dict[str, Any]:
        """Wait for the end of a deployment; returns it."""
        return dict(eventually(lambda: (found := self.deployment(number))["status"] in OVER and found))


class Wiki:
    """The running installation."""

    def __init__(self, up: Up) -> None:
        self.up = up
        self.address = up.address
        logins = json.loads((up.data / "demo.json").read_text())["logins"]
        self.passwords = {entry["username"]: entry["password"] for entry in logins}
        self.states: dict[str, Any] = {}
        self.workspace = self._workspace()

    def _workspace(self) -> Path:
        return next(path.parent for path in (self.up.data / "workspace").rglob(".git"))

    def kill(self, verb: str) -> None:
        """End a process of the supervisor with -9; it starts another one. Returns when the other is there."""
        old = self.up.named(verb)
        old.kill()
        eventually(lambda: self._replaced(verb, old.pid))

    def _replaced(self, verb: str, old: int) -> bool:
        try:
            return self.up.named(verb).pid != old
        except (LookupError, psutil.Error):
            return False


@contextmanager
def running(**more: str) -> Iterator[Wiki]:
    """A Cloud Wiki with its demo, in a folder and on a port of its own; stopped at the end of the block.

    `more`: settings of its environment.
    """
    folder = Path(tempfile.mkdtemp(prefix="cwb-", dir="/tmp"))
    folder.chmod(0o711)
    settings = {"DJANGO_SETTINGS_MODULE": "cloudwiki.settings", "CLOUDWIKI_WORKERS": "2"} | more
    try:
        with Up(folder / "data", 0, **settings) as up:
            for words in ("Ctrl-C stops everything", "listens on", " ready."):
                up.until(lambda words=words: words in up.output, 240)
            yield Wiki(up)
            up.stop(signal.SIGINT)
    finally:
        for link in folder.glob("*/run"):
            if link.is_symlink():
                shutil.rmtree(link.readlink(), ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def wiki() -> Iterator[Wiki]:
    """The installation of all tests of pages."""
    with running() as installation:
        yield installation


def newcomer(wiki: Wiki, browser: Browser, username: str, language: str, **options: Any) -> Person:
    """A person with a browser profile of their own, not logged in."""
    size = {"viewport": {"width": 1440, "height": 900}, "locale": "ko-KR", "timezone_id": "Asia/Seoul"}
    context = browser.new_context(**(size | options))
    context.set_default_timeout(60_000)
    context.add_cookies([{"name": "django_language", "value": language, "url": wiki.address}])
    return Person(wiki, username, context.new_page())


@pytest.fixture
def come(wiki: Wiki, browser: Browser) -> Iterator[Callable[..., Person]]:
    """Let a person come: `come("minjun")`, logged in, in English unless told otherwise.

    At the end nobody may have met a script error or a refusal of the security policy.
    """
    here: list[Person] = []

    def person(username: str, *, language: str = "en", fresh: bool = False, **options: Any) -> Person:
        known = {} if fresh or username not in wiki.states else {"storage_state": wiki.states[username]}
        found = newcomer(wiki, browser, username, language, **known, **options)
        here.append(found)
        if not known:
            found.log_in()
            if not fresh:
                wiki.states[username] = found.page.context.storage_state()
        return found

    yield person
    for one in here:
        one.page.context.close()
    assert [fault for one in here for fault in one.faults] == []


class Staging:
    """The environment where tests run procedures of their own: `write` the next one, then prepare and start."""

    name = "스테이징"
    TEMPLATE = """kind: deploy
title: {{ko: 시험, en: Trial}}
steps:
  - key: talk
    title: {{ko: 말하기, en: Talk}}
    role: DevOps
    phase: replace
    action: shell
    runs_on: app
    estimate: 30s
    timeout: 10m
    probe: {probe}
    parameters:
      command: |
{command}
  - key: after
    title: {{ko: 다음, en: After}}
    role: DevOps
    phase: verify
    action: shell
    runs_on: app
    estimate: 5s
    parameters:
      command: echo the end
"""

    def __init__(self, wiki: Wiki, runbook: str) -> None:
        self.wiki, self.runbook = wiki, runbook
        self.folder = wiki.up.data / "demo-host" / "trials"
        self.folder.mkdir()
        self.count = 0

    def write(self, admin: Person, command: str, probe: str = "") -> None:
        """Save a version with this command, and this probe, through the editor."""
        indented = "\n".join(f"        {line}" for line in command.strip().splitlines())
        admin.open(f"{self.runbook}edit")
        admin.page.locator("textarea[name=text]").fill(self.TEMPLATE.format(command=indented, probe=json.dumps(probe)))
        admin.page.locator("main form button.go").click()
        admin.page.wait_for_url(self.wiki.address + self.runbook)

    def write_talk(self, admin: Person) -> "Talk":
        """A step that notes that it began, then prints numbered lines until it is told to end."""
        self.count += 1
        talk = Talk(self.folder, str(self.count))
        self.write(admin, talk.command)
        return talk


class Talk:
    """A step that talks until `end` is called."""

    def __init__(self, folder: Path, name: str) -> None:
        self.began, self.ended = folder / f"began-{name}", folder / f"ended-{name}"
        self.command = f"""echo began >> {self.began}
i=0
while [ ! -e {self.ended} ]; do
  i=$((i+1)); echo "line $i"; sleep 0.1
done"""

    def end(self) -> None:
        """Let it end."""
        self.ended.touch()

    @property
    def times_begun(self) -> int:
        """How often the host began it."""
        return len(self.began.read_text().splitlines()) if self.began.exists() else 0


@pytest.fixture(scope="package")
def staging(wiki: Wiki, browser: Browser) -> Staging:
    """Staging, made ready by the administrator through the pages."""
    return make_staging(wiki, browser)


def make_staging(wiki: Wiki, browser: Browser) -> Staging:
    """Enrol its host once more, add a runbook and choose it."""
    admin = newcomer(wiki, browser, "admin", "en")
    admin.log_in()
    machine = json.loads((wiki.up.data / "demo-host.json").read_text())
    page = admin.open("/hosts/")
    page.get_by_role("link", name="demo-staging-simulated").click()
    page.wait_for_url(re.compile(r"/hosts/\d+/$"))
    page.locator("form[action$='/unpin'] button").click()
    expect(page.locator("form[action$='/unpin']")).to_have_count(0)
    page.locator("form[action$='/scan'] button").click()
    expect(page.locator("main")).to_contain_text(machine["fingerprint"])
    page.locator("form[action$='/pin'] button").click()
    expect(page.locator("form[action$='/unpin']")).to_be_visible()
    page = admin.open("/runbooks/new")
    admin.choose("project", "데모")
    page.locator("[name=key]").fill("trial")
    page.locator("main [name=name]").fill("시험 절차")
    page.locator("main form button.go").click()
    made = Staging(wiki, page.locator("main form[action$='/edit']").get_attribute("action").removesuffix("edit"))
    made.write(admin, "echo first")
    page = admin.open("/")
    page.locator(".envs section", has_text=Staging.name).locator("a[href^='/environments/']").click()
    page.locator("a[href$='/edit']").click()
    admin.choose("runbook", "시험 절차")
    page.locator("main form button.go").click()
    page.wait_for_url(re.compile(r"/environments/\d+/$"))
    page.context.close()
    return made
