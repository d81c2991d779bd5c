"""What a run and its page survive: a new web process, a killed worker, a lost session; logs read while they grow."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import until
from tests.browser.installation import PATIENCE, Person, Staging, Talk, Wiki, eventually

Come = Callable[..., Person]
LINES = "document.querySelector('log-pane[data-step=talk]').store"


@pytest.fixture
def talk(staging: Staging, come: Come) -> Iterator[Talk]:
    """A procedure on staging whose first step talks until it is told to end; told so at the end of the test."""
    written = staging.write_talk(come("admin"))
    yield written
    written.end()


def begin(person: Person, talk: Talk) -> int:
    """Start it and wait until its lines show."""
    number = person.prepare(Staging.name)
    person.press_start()
    eventually(lambda: talk.times_begun)
    until_lines(person.page, 5)
    return number


def until_lines(page: Page, count: int) -> None:
    """Wait until the page has taken so many lines of the log, which is read when it comes into view."""
    page.locator("log-pane[data-step=talk]").scroll_into_view_if_needed(timeout=PATIENCE * 1000)
    until(page, f"document.querySelector('log-pane[data-step=talk]')?.store?.total >= {count}", PATIENCE)


def lines_of(page: Page) -> list[str]:
    """Every line of the log that the page holds."""
    return list(page.evaluate(f"{LINES}.text"))


def raw_log(page: Page) -> list[str]:
    """The log as it is downloaded."""
    url = page.locator("log-pane[data-step=talk] a[download]").get_attribute("href") or ""
    return page.request.get(page.url.split("/deployments")[0] + url).text().splitlines()


def count_reconnections(page: Page) -> None:
    """Whether the page says that its line is down depends on how soon the line is up again; that it was, does not."""
    page.evaluate("""() => {
        window.reconnections = 0;
        document.addEventListener("cloudwiki:reconnected", () => { window.reconnections += 1; });
    }""")


def is_whole(lines: list[str]) -> bool:
    """Each line once, in order, none missing."""
    spoken = [line for line in lines if line.startswith("line ")]
    return spoken == [f"line {number}" for number in range(1, len(spoken) + 1)]


def test_a_page_goes_on_without_gap_or_repeat_after_the_web_process_restarts(
    wiki: Wiki, come: Come, talk: Talk
) -> None:
    minjun = come("minjun")
    number = begin(minjun, talk)
    before = len(lines_of(minjun.page))
    count_reconnections(minjun.page)
    wiki.kill("web")
    until(minjun.page, "window.reconnections > 0", PATIENCE)
    expect(minjun.page.locator("#stream-lost")).to_be_hidden(timeout=PATIENCE * 1000)
    until_lines(minjun.page, before + 50)
    talk.end()
    assert minjun.until_over(number)["status"] == "succeeded"
    expect(minjun.page.locator(".dbar .badge.s-succeeded")).to_be_visible(timeout=PATIENCE * 1000)
    stored = raw_log(minjun.page)
    assert is_whole(stored)
    eventually(lambda: len(lines_of(minjun.page)) >= len(stored))
    assert lines_of(minjun.page) == stored


def test_a_step_runs_once_though_the_worker_is_killed_in_the_middle(wiki: Wiki, staging: Staging, come: Come) -> None:
    mark = staging.folder / "thirty"
    command = f'echo began >> {mark}\nfor i in $(seq 1 120); do echo "line $i"; sleep 0.25; done'
    staging.write(come("admin"), command)
    minjun = come("minjun")
    number = minjun.prepare(Staging.name)
    minjun.press_start()
    until_lines(minjun.page, 20)
    wiki.kill("worker")
    done = minjun.until_over(number)
    assert done["status"] == "succeeded"
    assert mark.read_text() == "began\n"
    assert [step["status"] for step in done["steps"]] == ["succeeded", "succeeded"]
    minjun.page.reload()
    minjun.page.locator("#step-talk summary").click()
    stored = raw_log(minjun.page)
    assert is_whole(stored)
    assert stored[-1] == "line 120"


def test_a_session_that_ends_in_the_middle_of_a_stream_goes_to_the_login(come: Come, talk: Talk) -> None:
    minjun = come("minjun", fresh=True)
    number = begin(minjun, talk)
    other_tab = minjun.page.context.new_page()
    other_tab.goto(minjun.wiki.address)
    other_tab.locator(".userbox form[action$='logout/'] button").click()
    other_tab.wait_for_url(re.compile("/login/"))
    minjun.page.wait_for_url(re.compile(rf"/login/\?next=.*deployments%2F{number}"), timeout=PATIENCE * 1000)
    minjun.log_in()
    assert minjun.number() == number
    expect(minjun.page.locator(".dbar .badge.s-running")).to_be_visible()
    talk.end()
    assert minjun.until_over(number)["status"] == "succeeded"


def test_a_log_is_downloaded_while_it_grows(come: Come, talk: Talk) -> None:
    minjun = come("minjun")
    number = begin(minjun, talk)
    with minjun.page.expect_download() as download:
        minjun.page.locator("log-pane[data-step=talk] a[download]").click()
    lines = download.value.path().read_text().splitlines()
    assert minjun.deployment(number)["status"] == "running"
    assert len(lines) >= 5
    assert is_whole(lines)
    talk.end()
    minjun.until_over(number)


def test_a_link_to_a_line_shows_that_line(come: Come, talk: Talk) -> None:
    minjun = come("minjun")
    number = begin(minjun, talk)
    until_lines(minjun.page, 60)
    minjun.page.locator("log-pane[data-step=talk] .ln a").first.click()
    assert re.search(r"#step-talk-line-\d+$", minjun.page.url)
    talk.end()
    minjun.until_over(number)
    yuna = come("yuna")
    page = yuna.open(f"/deployments/{number}/#step-talk-line-7")
    line = page.locator("log-pane[data-step=talk] .ln.hit")
    expect(line).to_have_count(1, timeout=PATIENCE * 1000)
    expect(line).to_have_id("step-talk-line-7")
    expect(line).to_be_in_viewport()
    expect(line.locator("code")).to_have_text(raw_log(page)[6])


def test_a_run_fits_a_phone(come: Come, talk: Talk) -> None:
    minjun = come("minjun", viewport={"width": 390, "height": 844}, has_touch=True)
    number = begin(minjun, talk)
    page = minjun.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator(".dock")).to_be_in_viewport()
    page.locator(".dock a").tap()
    expect(page.locator("#step-talk")).to_be_in_viewport()
    page.locator(".dock button").tap()
    expect(page.locator("#ask-cancel")).to_be_visible()
    page.locator("#ask-cancel button[type=submit]").tap()
    assert minjun.until_over(number)["status"] == "cancelled"
