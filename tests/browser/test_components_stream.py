"""The page's connection: nothing lost, nothing doubled, and the truth when it is down."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Gallery, until

LINES = "log-pane .lines"


def rows(page: Page) -> list[str]:
    """The text of the lines that are drawn."""
    return page.locator(f"{LINES} .ln code").all_text_contents()


def open_page(page: Page, gallery: Gallery, name: str = "log") -> None:
    """Open a page and wait until its stream is open."""
    gallery.log("one\n")
    page.goto(gallery.url(name, "?stream"))
    page.locator("log-pane").scroll_into_view_if_needed()
    expect(page.locator(f"{LINES} .ln").first).to_be_visible()


def test_a_dropped_stream_goes_on_without_gap_or_repeat(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    gallery.append("two\n")
    expect(page.locator("#step-s10-line-2")).to_be_visible()
    gallery.control("drop", b"")
    gallery.append("three\n")
    gallery.append("fo")
    gallery.append("ur\n")
    expect(page.locator("#step-s10-line-4")).to_have_text(re.compile("four"))
    assert rows(page) == ["one", "two", "three", "four"]
    assert [connection["after"] for connection in gallery.control("look", b"")["connections"]][:2] == ["0", "1"]


def test_a_piece_that_came_twice_counts_once(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    piece = {"attempt": 12, "step": "s10", "offset": 4, "line": 2, "at": "2026-11-24T17:14:00.000Z", "data": "dHdvCg=="}
    for _ in range(3):
        gallery.control("send?name=log", json.dumps(piece).encode())
    whole = {**piece, "offset": 0, "line": 1, "data": "b25lCnR3bwp0aHJlZQo="}  # one, two, three
    gallery.control("send?name=log", json.dumps(whole).encode())
    expect(page.locator("#step-s10-line-3")).to_be_visible()
    assert rows(page) == ["one", "two", "three"]


def test_a_lost_piece_is_read_from_the_store(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    gallery.append("two\nthr", "?silent")
    gallery.append("ee\nfour\n")
    expect(page.locator("#step-s10-line-4")).to_be_visible()
    assert rows(page) == ["one", "two", "three", "four"]


def test_a_piece_of_another_attempt_stays_out(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    other = {"attempt": 13, "step": "s10", "offset": 4, "line": 2, "at": "2026-11-24T17:14:00.000Z", "data": "dHdvCg=="}
    gallery.control("send?name=log", json.dumps(other).encode())
    gallery.append("mine\n")
    expect(page.locator("#step-s10-line-2")).to_be_visible()
    assert rows(page) == ["one", "mine"]


def test_a_failing_proxy_shows_the_banner_and_recovers(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    gallery.control("status?code=502", b"")
    gallery.control("drop", b"")
    expect(page.locator("#stream-lost")).to_be_visible()
    expect(page.locator("#stream-lost")).to_contain_text(re.compile(r"\d+ s old"))
    gallery.append("meanwhile\n")
    gallery.control("status?code=200", b"")
    expect(page.locator("#stream-lost")).to_be_hidden(timeout=20_000)
    expect(page.locator("#step-s10-line-2")).to_be_visible()
    assert rows(page) == ["one", "meanwhile"]


def test_a_lost_session_leads_to_the_sign_in_page(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    gallery.control("status?code=401", b"")
    gallery.control("drop", b"")
    page.wait_for_url(re.compile(r"/login/\?next=%2Fp%2Flog"))


def test_bye_reconnects_at_once(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery)
    gallery.control("send?name=bye", b"{}")
    gallery.control("drop", b"")
    gallery.append("two\n")
    expect(page.locator("#step-s10-line-2")).to_be_visible(timeout=3000)
    expect(page.locator("#stream-lost")).to_be_hidden()


def test_done_closes_and_shows_the_end(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery, "deployment")
    gallery.control("send?name=done&version=9", b"{}")
    expect(page.locator("#seen-version")).to_have_text("9")
    before = len(gallery.control("drop", b"")["connections"])
    page.wait_for_timeout(1500)  # longer than the first two tries would take
    assert len(gallery.control("look", b"")["connections"]) == before


def test_a_new_state_is_morphed_in_and_leaves_the_log_alone(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery, "deployment")
    page.evaluate("document.querySelector('log-pane').mine = true")
    page.locator("#step-s2 summary").click()
    page.locator("#step-s10 summary").first.click()
    gallery.append("two\n")
    gallery.control("send?name=state&version=7", b'{"version": 7}')
    expect(page.locator("#seen-version")).to_have_text("7")
    assert page.evaluate("document.querySelector('log-pane').mine")
    expect(page.locator("#step-s2 details")).to_have_attribute("open", "")
    assert page.locator("#step-s10 details").evaluate("details => details.open") is False
    page.locator("#step-s10 summary").first.click()
    expect(page.locator("#step-s10-line-2")).to_be_visible()
    gallery.append("three\n")
    expect(page.locator("#step-s10-line-3")).to_be_visible()


def test_a_refresh_that_was_lost_is_asked_for_again(page: Page, gallery: Gallery) -> None:
    """The last change of a run comes once; a page that misses it would show a run that never ends."""
    open_page(page, gallery, "deployment")
    gallery.control("break?times=2", b"")
    gallery.control("send?name=state&version=9", b'{"version": 9}')
    gallery.control("send?name=done&version=9", b"{}")
    expect(page.locator("#seen-version")).to_have_text("9", timeout=15_000)


def test_a_connection_that_nobody_answers_is_given_up(page: Page, gallery: Gallery) -> None:
    page.clock.install()
    open_page(page, gallery)
    asked: list[str] = []
    page.route("**/events*", lambda route: asked.append(route.request.url))  # neither answered nor refused
    gallery.control("drop", b"")
    with page.expect_request("**/events*"):
        page.clock.run_for(3000)
    for _ in range(2):
        page.clock.run_for(50_000)
    page.wait_for_function("true")
    assert len(asked) > 1


def test_an_old_state_is_not_asked_for(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery, "deployment")
    gallery.control("send?name=state", b'{"version": 1}')
    gallery.control("send?name=state&version=2", b'{"version": 2}')
    expect(page.locator("#seen-version")).to_have_text("2")
    assert gallery.control("look", b"")["served"] == 1


def test_the_tab_tells_the_state(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery, "deployment")
    until(page, r"/^▶ 10\/14 · 0\d:\d\d · v2\.8\.0$/.test(document.title)")
    assert page.locator("#favicon").get_attribute("href") == "/static/favicon/running.svg"


def test_the_age_of_the_last_news_is_shown(page: Page, gallery: Gallery) -> None:
    open_page(page, gallery, "deployment")
    expect(page.locator('[data-stream="live"]')).to_have_text(re.compile(r"Live · \d\.\d s"))
