"""The public pages in a browser: without scripts, in both languages and themes, and shown by another site."""

import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import public_pages
from tests.browser.installation import Person, Wiki, newcomer
from tests.browser.test_access import faults_of

Come = Callable[..., Person]
PAGE = public_pages.PAGE


@pytest.mark.parametrize(
    ("language", "theme", "width"),
    [("ko", "light", 1440), ("ko", "dark", 390), ("en", "dark", 1440), ("en", "light", 390)],
)
def test_axe_finds_nothing(wiki: Wiki, browser: Browser, language: str, theme: Any, width: int) -> None:
    size = {"width": width, "height": 900}
    person = newcomer(wiki, browser, "nobody", language, locale=language, color_scheme=theme, viewport=size)
    found: dict[str, list[Any]] = {}
    for name, path in public_pages.paths(person).items():
        page = person.open(path)
        assert page.locator("html").get_attribute("lang") == language
        page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        found[name] = faults_of(page, width)
    page.context.close()
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert person.faults == []


def test_without_scripts_all_of_it_is_there(wiki: Wiki, browser: Browser) -> None:
    person = newcomer(wiki, browser, "nobody", "ko", java_script_enabled=False, locale="ko")
    page = person.open(PAGE)
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("svg.d90[role=img]").first).to_be_visible()
    page.locator("details.days summary").first.click()
    expect(page.locator("details.days table").first).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="Outage: a full disk").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "en")  # the choice goes along
    expect(page.locator(".updates > li")).to_have_count(3)
    page.context.close()


def test_the_page_renews_itself_and_leaves_open_what_is_open(wiki: Wiki, browser: Browser) -> None:
    person = newcomer(wiki, browser, "nobody", "en", locale="en")
    page = person.page
    page.clock.install()
    person.open(PAGE)
    page.locator("details.days").first.evaluate("one => { one.open = true; }")
    page.evaluate("document.querySelector('h1').textContent = 'of yesterday'")
    page.clock.run_for(31_000)
    expect(page.locator("h1")).not_to_have_text("of yesterday")
    expect(page.locator("details.days").first).to_have_attribute("open", "")
    page.context.close()
    assert person.faults == []


@pytest.fixture
def other_site(wiki: Wiki) -> Iterator[str]:
    """Another site, which shows the badge, the banner and a notice of its own making."""
    html = f"""<!doctype html><title>Other</title><p id=said></p>
<img id=badge src="{wiki.address}{PAGE}badge.svg"><iframe id=banner src="{wiki.address}{PAGE}banner/"></iframe>
<iframe id=page src="{wiki.address}{PAGE}"></iframe>
<script>fetch("{wiki.address}{PAGE}status.json").then(a => a.json()).then(s => said.textContent = s.text.en)</script>"""

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_another_site_may_show_badge_banner_and_state_and_no_page(
    wiki: Wiki, browser: Browser, other_site: str
) -> None:
    person = newcomer(wiki, browser, "nobody", "en", locale="en")
    page = person.page
    page.goto(other_site)
    expect(page.locator("#said")).not_to_be_empty()
    assert page.evaluate("document.querySelector('#badge').naturalWidth") > 50
    expect(page.frame_locator("#banner").locator("h1")).to_have_text("모여밥 데모: service status")
    framed = page.locator("#page").element_handle()
    assert framed
    assert "chrome-error" in (framed.content_frame() or page).url
    page.context.close()
