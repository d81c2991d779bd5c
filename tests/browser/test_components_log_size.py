"""200,000 lines: no stall, little drawn, everything found."""

import time

from playwright.sync_api import Page, expect

from tests.browser.conftest import Gallery

COUNT = 200_000
LINES = "log-pane .lines"
WATCH = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ type: "longtask", buffered: true });
"""


def big() -> bytes:
    """Lines as a build prints them, some with colour."""
    return b"".join(
        b"\x1b[32mINFO\x1b[0m task %d: compiled module number %d of the application\n" % (number, number)
        for number in range(1, COUNT + 1)
    )


def longest(page: Page) -> float:
    """The longest task of the page so far, in ms."""
    return float(page.evaluate("window.longest"))


def test_200_000_stored_lines(page: Page, gallery: Gallery) -> None:
    page.add_init_script(WATCH)
    gallery.log(big())
    page.goto(gallery.url("log"))
    began = time.monotonic()
    expect(page.locator(f"#step-s10-line-{COUNT}")).to_be_in_viewport()
    shown = time.monotonic() - began
    assert page.locator(f"{LINES} .ln").count() < 1000
    for share in (0, 0.5, 0.123, 1):
        page.evaluate(f"(e => e.scrollTop = e.scrollHeight * {share})(document.querySelector('{LINES}'))")
        page.wait_for_function(
            f"""(() => {{ const box = document.querySelector('{LINES}').getBoundingClientRect();
            const row = document.elementFromPoint(box.left + 200, box.top + box.height / 2)?.closest('.ln');
            return row && !row.classList.contains('wanted') && row.textContent.includes('compiled'); }})()"""
        )
    page.locator('[data-log="find"]').fill("number 19999")
    expect(page.locator('[data-log="matches"]')).to_have_text("1 / 11", timeout=30_000)
    assert longest(page) < 500
    assert shown < 3


def test_200_000_lines_through_the_stream(page: Page, gallery: Gallery) -> None:
    page.add_init_script(WATCH)
    gallery.log("")
    page.goto(gallery.url("log", "?stream"))
    expect(page.locator('[data-log="total"]')).to_have_text("0 lines")
    text = big()
    size = 256 * 1024
    for start in range(0, len(text), size):
        gallery.append(text[start : start + size])
    expect(page.locator('[data-log="total"]')).to_have_text("200,000 lines", timeout=30_000)
    expect(page.locator(f"#step-s10-line-{COUNT}")).to_be_in_viewport()
    expect(page.locator(f"#step-s10-line-{COUNT} code")).to_have_text(f"INFO task {COUNT}: compiled module number {COUNT} of the application")
    assert page.locator(f"{LINES} .ln").count() < 1000
    assert longest(page) < 500
