"""Clocks, theme, keys, dialogs, the editor."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Gallery, until

CLOCK = "#downtime time"


def set_clock(page: Page, ms: int) -> None:
    """Let the downtime clock stand at `ms`, as a refresh would."""
    page.evaluate(f"document.querySelector('{CLOCK}').dataset.ms = '{ms}'")


def test_the_downtime_clock_counts_tenths(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    seen = {page.locator(CLOCK).text_content() for _ in range(8) if page.wait_for_timeout(110) is None}
    assert len(seen) >= 4
    assert all(re.fullmatch(r"03:\d\d\.\d", text or "") for text in seen)


def test_it_keeps_time_with_the_wall_clock(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    apart = page.evaluate(
        """async () => {
          const read = () => {
            const [, m, s, t] = /(\\d+):(\\d+)\\.(\\d)/.exec(document.querySelector('#downtime time').textContent);
            return m * 60000 + s * 1000 + t * 100;
          };
          const next = () => new Promise((done) => {
            const was = read();
            const look = () => (read() === was ? requestAnimationFrame(look) : done([read(), performance.now()]));
            look();
          });
          const [shown, at] = await next();
          await new Promise((done) => setTimeout(done, 1500));
          const [later, then] = await next();
          return Math.abs(later - shown - (then - at));
        }"""
    )
    assert apart < 500  # a tick that came late on a busy machine, not a clock that is wrong


def test_amber_at_80_percent_and_red_at_the_budget_in_words(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    panel = page.locator("#downtime")
    expect(panel).to_have_class(re.compile("s-running"))
    set_clock(page, 479_700)
    expect(panel).to_have_class(re.compile("s-waiting"))
    expect(panel.locator("[data-verdict]")).to_have_text("Over 80% of the budget")
    set_clock(page, 599_700)
    expect(panel).to_have_class(re.compile("s-failed"))
    expect(panel.locator("[data-verdict]")).to_have_text(re.compile(r"Over budget by 0:0\d"))
    assert float(panel.locator("[data-gauge]").get_attribute("width") or 0) == 352


def test_a_countdown_counts_down_and_stops_at_nothing(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("plan"))
    countdown = page.locator('[data-clock="down"]')
    expect(countdown).to_have_text(re.compile(r"00:47:1\d"))
    page.evaluate("document.querySelector('[data-clock=down]').dataset.ms = '1200'")
    expect(countdown).to_have_text("00:00:00")


def test_the_theme_is_there_before_the_first_paint(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("states"))
    page.locator("[data-theme-toggle]").first.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.add_init_script(
        """new MutationObserver((_, me) => {
          if (!document.body) return;
          window.early = document.documentElement.dataset.theme;
          me.disconnect();
        }).observe(document, { childList: true, subtree: true });"""
    )
    page.reload()
    assert page.evaluate("window.early") == "dark"


def test_the_keys_are_listed(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_j_and_k_go_through_the_steps(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    page.keyboard.press("j")
    expect(page.locator("#step-s10 summary").first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#step-s11 summary").first).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(page.locator("#step-s9 summary").first).to_be_focused()


def test_all_steps_open_and_close(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    page.locator("[data-open-all]").click()
    until(page, "[...document.querySelectorAll('.step details')].every((one) => one.open)")
    page.locator("[data-open-all]").click()
    until(page, "[...document.querySelectorAll('.step details')].every((one) => !one.open)")


def test_the_name_must_be_typed(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    page.locator(".dbar [data-dialog]").click()
    dialog = page.locator("#ask-cancel")
    expect(dialog).to_be_visible()
    dialog.locator("[name=reason]").fill("wrong version")
    dialog.locator("[name=confirm_name]").fill("스테이징")
    assert dialog.locator("form").evaluate("form => form.checkValidity()") is False
    dialog.locator("[name=confirm_name]").fill("운영")
    assert dialog.locator("form").evaluate("form => form.checkValidity()") is True
    dialog.locator("[data-dialog-close]").click()
    expect(dialog).to_be_hidden()


def test_a_double_click_sends_once(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    page.locator(".dbar [data-dialog]").click()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.route("**/x", lambda route: route.fulfill(status=204))
    page.locator("#ask-cancel [name=reason]").fill("r")
    page.locator("#ask-cancel [name=confirm_name]").fill("운영")
    page.locator("#ask-cancel button.danger").dblclick()
    page.wait_for_timeout(300)  # time for a second request to appear
    assert len(sent) == 1


def test_the_editor_marks_the_line_that_is_wrong(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("states"))
    editor = page.locator("yaml-editor")
    area = editor.locator("textarea")
    expect(editor.locator(".gutter .bad")).to_have_text("2")
    area.fill("a: 1\nb: 2\nc: bad\nd: 4\n")
    expect(editor.locator(".gutter .bad")).to_have_text("3")
    expect(editor.locator("[data-editor=status]")).to_have_text("1 errors")
    editor.locator(".problems button").click()
    assert area.evaluate("area => area.selectionStart") == len("a: 1\nb: 2\n")
    area.fill("a: 1\n")
    expect(editor.locator("[data-editor=status]")).to_have_text("No errors")
    expect(editor.locator(".gutter .bad")).to_have_count(0)


def test_a_file_takes_the_place_of_the_text_and_is_checked(page: Page, gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "next.yaml").write_bytes(b"a: 1\r\nb: bad\r\n")
    page.goto(gallery.url("states"))
    editor = page.locator("yaml-editor")
    editor.locator("input[type=file]").set_input_files(tmp_path / "next.yaml")
    expect(editor.locator("textarea")).to_have_value("a: 1\nb: bad\n")
    expect(editor.locator("textarea")).to_be_focused()
    expect(editor.locator(".gutter .bad")).to_have_text("2")


def test_the_menu_of_a_narrow_screen(page: Page, gallery: Gallery) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(gallery.url("plan"))
    page.locator("details.menu > summary").click()
    expect(page.locator("details.menu nav")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("details.menu nav")).to_be_hidden()
