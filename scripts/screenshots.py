"""Pictures of the main pages for docs/screenshots: `python -m scripts.screenshots [page ...]`.

Starts a Cloud Wiki with its demo in a folder of its own, lets the demo's people deploy there (one deployment that
is watched in its downtime and succeeds, one whose verification fails), and photographs the pages on the way.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.installation import Person, Wiki, newcomer, running

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "screenshots"
PRODUCTION = "운영"
LONG = 240_000  # ms
# Width, theme, language; the height is that of a usual screen.
LOOKS = [
    (1440, "light", "ko"),
    (1440, "dark", "ko"),
    (390, "light", "ko"),
    (390, "dark", "ko"),
    (1440, "light", "en"),
]
HEIGHTS = {1440: 1100, 390: 844}
TALL = {"deployment-running", "deployment-succeeded", "deployment-failed", "plan"}  # worth more than one screen
TALLEST = {1440: 1300, 390: 1300}
PAGES = {
    "dashboard": "/",
    "history": "/history/",
    "announcements": "/announcements/demo/",
    "insights": "/insights/",
    "thresholds": "/insights/thresholds",
    "comparison": "/insights/comparison",
    "costs": "/projects/1/costs",
    "risks": "/risks/",
    "wiki": "/wiki/",
    "wiki-procedure": "/projects/1/wiki/2-3-상세-배포-절차/",
    "search": "/search/?q=롤백",
}
START = '      command: "{demo_bin}/service start backend"\n'
SLOW_START = "      command: |\n        {demo_bin}/service start backend\n        {demo_bin}/warm-up\n"
LIMIT = '    check: "{demo_bin}/service status backend"\n'
# What a real backend prints while it starts; it ends when every picture is taken.
WARM_UP = r"""#!/bin/sh
printf '\033[32mINFO\033[0m  \033[35m18342\033[0m --- Starting with profile "prod"\n'
printf '\033[33mWARN\033[0m  \033[35m18342\033[0m --- connection pool: first connection took 912 ms\n'
page=0
while [ ! -e {go} ]; do
  page=$((page + 1))
  printf '\033[32mINFO\033[0m  \033[35m18342\033[0m --- warm-up: meals %s, \033[1m250\033[0m rows\n' "$page"
  sleep 2
done
"""


class Camera:
    """One browser for each look, all logged in as the person who deploys."""

    def __init__(self, wiki: Wiki, browser: Browser, wanted: set[str]) -> None:
        self.wanted = wanted
        self.people = {look: self._person(wiki, browser, *look) for look in LOOKS}

    @staticmethod
    def _person(wiki: Wiki, browser: Browser, width: int, theme: str, language: str) -> Person:
        size = {"width": width, "height": HEIGHTS[width]}
        looks = {"viewport": size, "color_scheme": theme, "reduced_motion": "reduce", "locale": language}
        person = newcomer(wiki, browser, "admin", language, **looks)
        person.log_in()
        return person

    def take(self, name: str, path: str, ready: str = "main") -> None:
        """Photograph the page in every look, once `ready` shows."""
        for look in self.people:
            self.show(look, path)
        for look, person in self.people.items():
            if "log-pane" in ready:  # a log is read when it comes into view
                person.page.locator(ready.removesuffix(" .ln")).first.scroll_into_view_if_needed(timeout=LONG)
            person.page.locator(ready).first.wait_for(timeout=LONG)
            person.page.mouse.wheel(0, -10_000)
            self._save(name, look, person.page)

    def show(self, look: tuple[int, str, str], path: str) -> None:
        """Open a page in one look, unless it is open there."""
        person = self.people[look]
        if person.page.url != person.wiki.address + path:
            person.open(path)

    def _save(self, name: str, look: tuple[int, str, str], page: Page) -> None:
        if self.wanted and name not in self.wanted:
            return
        width, theme, language = look
        page.wait_for_timeout(500)  # fonts and the first lines of a log
        whole = int(page.evaluate("document.documentElement.scrollHeight"))
        height = min(whole, TALLEST[width]) if name in TALL else HEIGHTS[width]
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        page.screenshot(path=FOLDER / f"{name}-{width}-{theme}-{language}.png")
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})


def main(wanted: set[str]) -> None:
    """Take the pictures that are wanted; all of them when none is named."""
    FOLDER.mkdir(exist_ok=True)
    with running() as wiki, _chromium() as browser:
        admin, minjun, seoyeon = (newcomer(wiki, browser, name, "ko") for name in ("admin", "minjun", "seoyeon"))
        for person in (admin, minjun, seoyeon):
            person.log_in()
        camera = Camera(wiki, browser, wanted)
        shipped = read_runbook(admin)
        watched(camera, admin, minjun, seoyeon, shipped)
        failing(camera, admin, minjun, seoyeon, shipped)
        write_runbook(admin, shipped)
        camera.take("plan", f"/deployments/{half_ready(minjun, admin)}/", ".planned")
        for name, path in PAGES.items():
            camera.take(name, path)
        camera.take("host", "/hosts/1/")
        camera.take("runbook-editor", "/runbooks/2/edit", ".gutter span")
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    sys.stdout.write(f"{len(list(FOLDER.glob('*.png')))} pictures, {size / 1e6:.1f} MB\n")


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


def read_runbook(admin: Person) -> str:
    """The demo's procedure as it ships."""
    return admin.open("/runbooks/2/edit").locator("textarea[name=text]").input_value()


def write_runbook(admin: Person, text: str) -> None:
    """Save another version of the demo's procedure."""
    page = admin.open("/runbooks/2/edit")
    page.locator("textarea[name=text]").fill(text)
    page.locator("main form button.go").click()
    page.wait_for_url(admin.wiki.address + "/runbooks/2/")


def consented(minjun: Person, seoyeon: Person) -> int:
    """A draft for production with every box ticked and the approval given."""
    number = minjun.prepare(PRODUCTION)
    minjun.page.locator("form[action$='/prove'] button").first.wait_for()
    minjun.page.locator(f"form[action='/deployments/{number}/prove'] button").click()
    expect(minjun.page.locator(".tickbox.on")).to_have_count(4, timeout=LONG)
    seoyeon.open(f"/deployments/{number}/").locator("form[action$='/approve'] button").click()
    return number


def watched(camera: Camera, admin: Person, minjun: Person, seoyeon: Person, shipped: str) -> None:
    """A deployment that waits in its downtime until every picture of it is taken, then succeeds."""
    host = admin.wiki.up.data / "demo-host"
    go, program = host / "go", host / "bin" / "warm-up"
    program.write_text(WARM_UP.format(go=go))
    program.chmod(0o700)
    slow = shipped.replace(START, SLOW_START).replace(LIMIT, "    timeout: 30m\n" + LIMIT)
    write_runbook(admin, slow)
    number = consented(minjun, seoyeon)
    minjun.press_start()
    try:
        page = minjun.page
        expect(page.locator("#step-start_backend.s-running")).to_be_visible(timeout=LONG)
        page.locator("#step-start_backend log-pane").scroll_into_view_if_needed(timeout=LONG)
        page.locator("#step-start_backend log-pane .ln").nth(5).wait_for(timeout=LONG)
        camera.take("deployment-running", f"/deployments/{number}/", "#step-start_backend log-pane .ln")
    finally:
        go.touch()
    ends(minjun, number, "succeeded")
    camera.take("deployment-succeeded", f"/deployments/{number}/", ".dbar .badge.s-succeeded")


def failing(camera: Camera, admin: Person, minjun: Person, seoyeon: Person, shipped: str) -> None:
    """A deployment whose health check does not find what it should."""
    text = shipped.replace("      status: 200\n      attempts: 30\n", "      status: 204\n      attempts: 3\n")
    write_runbook(admin, text)
    number = consented(minjun, seoyeon)
    minjun.press_start()
    ends(minjun, number, "failed")
    camera.take("deployment-failed", f"/deployments/{number}/", "#step-health_check.s-failed log-pane .ln")


def ends(person: Person, number: int, status: str) -> None:
    """Wait for the end of a deployment; a picture of another end than `status` would be of no use."""
    found = person.until_over(number)
    if found["status"] != status:
        raise SystemExit(f"deployment {number}: {found['status']} instead of {status}: {found['error']}")


def half_ready(minjun: Person, admin: Person) -> int:
    """A draft with some boxes ticked and nobody's approval."""
    admin.open("/hosts/1/").locator("form[action$='/check'] button").click()
    number = minjun.prepare(PRODUCTION)
    for button in minjun.page.locator("li[id^=check-] form[action$='/prove'] button").all()[:2]:
        button.click()
    until(lambda: minjun.page.locator(".tickbox.on").count() >= 2)
    return number


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    while not condition():
        time.sleep(0.1)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
