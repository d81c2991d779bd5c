"""The log pane, read from a server that plays the stream."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Gallery

LINES = "log-pane .lines"


def rows(page: Page) -> list[str]:
    """The text of the lines that are drawn."""
    return page.locator(f"{LINES} .ln code").all_text_contents()


def numbered(count: int) -> str:
    """A log of that many short lines."""
    return "".join(f"line {number}\n" for number in range(1, count + 1))


def open_log(page: Page, gallery: Gallery, query: str = "?stream") -> None:
    """Open the page with the pane and wait for its last line."""
    page.goto(gallery.url("log", query))
    expect(page.locator(f"{LINES} .ln").last).to_be_visible()


def at_bottom(page: Page) -> bool:
    """Whether the pane stands at its end."""
    return bool(
        page.evaluate(f"(e => e.scrollHeight - e.scrollTop - e.clientHeight < 3)(document.querySelector('{LINES}'))")
    )


def scroll(page: Page, by: int) -> None:
    """Turn the wheel over the pane."""
    page.locator(LINES).hover()
    page.mouse.wheel(0, by)


def test_colours_become_classes_and_text_stays_text(page: Page, gallery: Gallery) -> None:
    open_log(page, gallery)
    expect(page.locator(f"{LINES} .a-g").first).to_have_text(":: Spring Boot ::")
    expect(page.locator(f"{LINES} .a-r")).to_have_text("ERROR")
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()
    assert page.locator(f"{LINES} script").count() == 0


def test_a_carriage_return_shows_the_last_state(page: Page, gallery: Gallery) -> None:
    open_log(page, gallery)
    expect(page.locator("#step-s10-line-10 code")).to_have_text("100% done")
    gallery.append("copy 1%")
    expect(page.locator("#step-s10-line-12 code")).to_have_text("copy 1%")
    gallery.append("\rcopy 57%")
    expect(page.locator("#step-s10-line-12 code")).to_have_text("copy 57%")
    gallery.append("\rcopy 100%\nend\n")
    expect(page.locator("#step-s10-line-12 code")).to_have_text("copy 100%")
    expect(page.locator("#step-s10-line-13 code")).to_have_text("end")


def test_pieces_may_end_in_the_middle_of_a_line_and_of_a_letter(page: Page, gallery: Gallery) -> None:
    gallery.log("첫 줄\n둘째 ")
    open_log(page, gallery)
    raw = "줄, 끝\n셋째\n".encode()
    for piece in (raw[:1], raw[1:2], raw[2:7], raw[7:]):
        gallery.append(piece)
    expect(page.locator("#step-s10-line-3 code")).to_have_text("셋째")
    assert rows(page) == ["첫 줄", "둘째 줄, 끝", "셋째"]


def test_a_page_that_was_cut_in_a_letter_goes_on_in_the_stream(page: Page, gallery: Gallery) -> None:
    raw = "가나다\n".encode()
    gallery.log(raw[:4])
    open_log(page, gallery)
    gallery.append(raw[4:])
    expect(page.locator("#step-s10-line-1 code")).to_have_text("가나다")


def test_it_follows_and_stops_when_the_reader_scrolls_up(page: Page, gallery: Gallery) -> None:
    gallery.log(numbered(300))
    open_log(page, gallery)
    expect(page.locator("#step-s10-line-300")).to_be_in_viewport()
    gallery.append(numbered(5))
    expect(page.locator("#step-s10-line-305")).to_be_visible()
    assert at_bottom(page)
    scroll(page, -400)
    expect(page.locator("log-pane .follow")).to_be_visible()
    before = page.evaluate(f"document.querySelector('{LINES}').scrollTop")
    gallery.append(numbered(6))
    expect(page.locator("log-pane .follow")).to_contain_text("6 new lines")
    assert page.evaluate(f"document.querySelector('{LINES}').scrollTop") == before
    page.locator("log-pane .follow").click()
    expect(page.locator("#step-s10-line-311")).to_be_in_viewport()
    expect(page.locator("log-pane .follow")).to_be_hidden()
    assert at_bottom(page)


def test_a_small_scroll_up_keeps_following(page: Page, gallery: Gallery) -> None:
    gallery.log(numbered(300))
    open_log(page, gallery)
    expect(page.locator("#step-s10-line-300")).to_be_in_viewport()
    scroll(page, -30)
    gallery.append(numbered(3))
    expect(page.locator("#step-s10-line-303")).to_be_in_viewport()
    expect(page.locator("log-pane .follow")).to_be_hidden()


def test_the_key_f_follows_again(page: Page, gallery: Gallery) -> None:
    gallery.log(numbered(300))
    open_log(page, gallery)
    expect(page.locator("#step-s10-line-300")).to_be_in_viewport()
    scroll(page, -600)
    expect(page.locator("log-pane .follow")).to_be_visible()
    page.keyboard.press("f")
    expect(page.locator("log-pane .follow")).to_be_hidden()
    assert at_bottom(page)


def test_finding_counts_marks_and_goes_round(page: Page, gallery: Gallery) -> None:
    gallery.log(numbered(3000))
    open_log(page, gallery)
    page.keyboard.press("/")
    page.keyboard.type("LINE 77")
    expect(page.locator('[data-log="matches"]')).to_have_text("1 / 11")  # 77 and 770 to 779
    page.keyboard.press("Enter")
    expect(page.locator('[data-log="matches"]')).to_have_text("2 / 11")
    expect(page.locator("#step-s10-line-770 mark")).to_have_text("line 77")
    expect(page.locator("#step-s10-line-770")).to_be_in_viewport()
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    expect(page.locator('[data-log="matches"]')).to_have_text("11 / 11")
    gallery.append("line 77 once more\n")
    expect(page.locator('[data-log="matches"]')).to_have_text("11 / 12")
    page.keyboard.press("Escape")
    expect(page.locator(f"{LINES} mark")).to_have_count(0)


def test_finding_nothing_says_so(page: Page, gallery: Gallery) -> None:
    open_log(page, gallery)
    page.locator('[data-log="find"]').fill("nowhere")
    expect(page.locator('[data-log="matches"]')).to_have_text("None")


def test_a_mark_may_cross_a_change_of_colour(page: Page, gallery: Gallery) -> None:
    gallery.log("a \x1b[31mred\x1b[0m end\n")
    open_log(page, gallery)
    page.locator('[data-log="find"]').fill("a red e")
    expect(page.locator(f"{LINES} mark").first).to_be_visible()
    assert "".join(page.locator(f"{LINES} mark").all_text_contents()) == "a red e"


def test_a_link_to_a_line_opens_its_step_and_marks_it(page: Page, gallery: Gallery) -> None:
    gallery.log(numbered(5000))
    page.goto(gallery.url("log", "?stream&folded#step-s10-line-2345"))
    expect(page.locator("#step-s10-line-2345")).to_have_class(re.compile("hit"))
    expect(page.locator("#step-s10-line-2345")).to_be_in_viewport()
    gallery.append("more\n")
    expect(page.locator('[data-log="total"]')).to_have_text("5,001 lines")
    expect(page.locator("#step-s10-line-2345")).to_be_in_viewport()


def test_a_line_number_is_a_link(page: Page, gallery: Gallery) -> None:
    open_log(page, gallery)
    page.locator("#step-s10-line-5 a").click()
    expect(page).to_have_url(re.compile("#step-s10-line-5$"))
    expect(page.locator("#step-s10-line-5")).to_have_class(re.compile("hit"))


def test_times_and_wrapping_are_kept(page: Page, gallery: Gallery) -> None:
    gallery.log("x" * 4000 + "\n")
    open_log(page, gallery)
    expect(page.locator(f"{LINES} time").first).to_have_text("02:13:53.412")
    page.keyboard.press("t")
    expect(page.locator(f"{LINES} time").first).to_be_hidden()
    assert page.evaluate(f"(e => e.scrollWidth > e.clientWidth)(document.querySelector('{LINES}'))")
    page.keyboard.press("w")
    assert page.evaluate(f"(e => e.scrollWidth === e.clientWidth)(document.querySelector('{LINES}'))")
    page.reload()
    expect(page.locator(f"{LINES} code").first).to_be_visible()
    expect(page.locator('[data-log="times"]')).to_have_attribute("aria-pressed", "false")
    expect(page.locator('[data-log="wrap"]')).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("key", ["t", "w", "f"])
def test_keys_rest_while_a_syllable_is_composed(page: Page, gallery: Gallery, key: str) -> None:
    open_log(page, gallery)
    pressed = page.locator('[data-log="times"]').get_attribute("aria-pressed")
    code = f"Key{key.upper()}"
    page.evaluate(
        "([key, code]) => document.body.dispatchEvent(new KeyboardEvent('keydown',"
        " {key, code, isComposing: true, bubbles: true}))",
        [key, code],
    )
    assert page.locator('[data-log="times"]').get_attribute("aria-pressed") == pressed
    assert page.locator('[data-log="wrap"]').get_attribute("aria-pressed") == "false"


def test_a_failing_server_is_told_and_tried_again(page: Page, gallery: Gallery) -> None:
    page.route("**/attempts/12/log*", lambda route: route.fulfill(status=503), times=1)
    page.goto(gallery.url("log"))
    expect(page.locator('[data-log="note"]')).to_contain_text("Trying again")
    expect(page.locator("#step-s10-line-1")).to_be_visible()
    expect(page.locator('[data-log="note"]')).to_be_hidden()
