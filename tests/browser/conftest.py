"""Chromium of the system, a page that fails on script errors and broken policy, and the gallery's server.

The browser lives as long as the tests of this folder run and no longer: the sync API of Playwright keeps an
event loop running, which tests with asyncio elsewhere cannot share.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.installation import come, staging, wiki  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parents[2]
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder drives the browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a head."""
    # The ORM refuses to work beside a running event loop, which the sync API has by its nature.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def browser_context_args() -> dict[str, Any]:
    """How a new context is made; a test file may override it."""
    return {"locale": "ko-KR", "timezone_id": "Asia/Seoul", "viewport": {"width": 1440, "height": 900}}


@pytest.fixture
def context(browser: Browser, browser_context_args: dict[str, Any]) -> Iterator[BrowserContext]:
    """A browser profile of this test alone."""
    fresh = browser.new_context(**browser_context_args)
    fresh.set_default_timeout(40_000)
    yield fresh
    fresh.close()


def watch(page: Page) -> list[str]:
    """Collect what no page may do: an uncaught error, or anything the security policy refused."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on(
        "console",
        lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None,
    )
    return faults


def until(page: Page, script: str, seconds: float = 20) -> None:
    """Wait until `script` is true on the page; Playwright's wait_for_function needs eval, which our policy forbids."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(script):
        assert time.monotonic() < deadline, f"never became true: {script}"
        page.wait_for_timeout(30)


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page that must end without script errors and without a broken policy."""
    tab = context.new_page()
    faults = watch(tab)
    yield tab
    tab.close()
    assert faults == []


class Gallery:
    """The server of the components, and the strings to pull on it."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"

    def url(self, page: str, query: str = "") -> str:
        """The address of a page."""
        return f"{self.address}/p/{page}{query}"

    def control(self, act: str, body: bytes | None = None) -> dict[str, Any]:
        """Pull one string; see gallery.control."""
        request = urllib.request.Request(f"{self.address}/control/{act}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.load(answer))

    def log(self, text: str | bytes) -> None:
        """Make this the stored log."""
        self.control("log", text.encode() if isinstance(text, str) else text)

    def append(self, more: str | bytes, how: str = "") -> None:
        """Let the log grow by one piece."""
        self.control(f"append{how}", more.encode() if isinstance(more, str) else more)


@pytest.fixture(scope="package")
def gallery_server() -> Iterator[Gallery]:
    """The gallery in a process of its own."""
    command = [sys.executable, "-m", "tests.browser.gallery", "0"]
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Gallery(int(process.stdout.readline()))
        process.terminate()


@pytest.fixture
def gallery(gallery_server: Gallery) -> Gallery:
    """The gallery as it is at the start."""
    gallery_server.control("reset", b"")
    return gallery_server
