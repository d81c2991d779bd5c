"""A step whose outcome nobody knows: what the page shows, and looking at the machine while thinking about it."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.installation import PATIENCE, Person, Staging

type Come = Callable[..., Person]

# The step ends everything that would tell how it ended, as a machine that runs out of memory may.
VANISH = """echo "71 % copied"
for who in watch super; do
  kill -9 "$(cut -d ' ' -f 1 "$CLOUDWIKI_ATTEMPT/$who")"
done
kill -9 $$"""


def vanished(staging: Staging, come: Come, probe: str) -> tuple[Person, int]:
    """Somebody at the page of a deployment with an unknown step, and its number."""
    staging.write(come("admin"), VANISH, probe)
    minjun = come("minjun")
    number = minjun.prepare(Staging.name)
    minjun.press_start()
    expect(minjun.page.locator("#step-talk.s-unknown")).to_be_visible(timeout=PATIENCE * 1000)
    return minjun, number


def test_a_look_shows_to_everybody_and_keeps_what_is_being_typed(staging: Staging, come: Come) -> None:
    live = staging.folder / "live version"
    live.write_text("v1.0.0\n")
    minjun, number = vanished(staging, come, f"cat '{live}'; sleep 1; echo looked; exit 3")
    jiho = come("jiho")  # may only read
    other = jiho.open(f"/deployments/{number}/")
    page = minjun.page
    expect(page).to_have_title(re.compile(r"^\? 1/2"))
    expect(page.locator(".ask")).to_contain_text("71 % copied")
    reason = page.locator(".ask input[name=reason]")
    reason.fill("I am about to look")

    page.get_by_role("button", name="Look now").click()

    for tab in (page, other):
        expect(tab.locator(".look")).to_contain_text("exit code 3", timeout=PATIENCE * 1000)
        expect(tab.locator(".look .seen")).to_have_text("v1.0.0\nlooked")
    expect(reason).to_have_value("I am about to look")
    assert other.get_by_role("button", name="Look now").count() == 0
    found = minjun.deployment(number)
    assert [step["status"] for step in found["steps"]] == ["unknown", "pending"]
    assert found["steps"][0]["look"]["exit_code"] == 3

    page.get_by_role("button", name="It worked").click()
    expect(page.locator("#step-after.s-succeeded")).to_be_visible(timeout=PATIENCE * 1000)


def test_a_press_that_is_refused_says_why(staging: Staging, come: Come) -> None:
    go = staging.folder / "go on"
    minjun, number = vanished(staging, come, f"until [ -e '{go}' ]; do sleep 0.1; done; echo done")
    page, seoyeon = minjun.page, come("seoyeon")
    stale, faults = seoyeon.page.context.new_page(), []
    stale.on("pageerror", lambda error: faults.append(str(error)))
    stale.route(
        re.compile(r"/(events|live)(\?|$)"), lambda route: route.abort()
    )  # it hears nothing of the other's look
    stale.goto(f"{seoyeon.wiki.address}/deployments/{number}/")
    button = stale.get_by_role("button", name="Look now")
    expect(button).to_be_enabled()
    page.get_by_role("button", name="Look now").click()
    expect(page.get_by_role("button", name="Look now")).to_be_disabled(timeout=PATIENCE * 1000)

    button.click()

    expect(stale.locator("#messages [role=alert]")).to_contain_text("Somebody is looking at this moment")
    assert faults == []
    go.touch()
    expect(page.locator(".look .seen")).to_have_text("done", timeout=PATIENCE * 1000)
    page.locator(".ask input[name=reason]").fill("seen")
    page.get_by_role("button", name="It failed").click()
    expect(page.locator("#step-talk.s-failed")).to_be_visible(timeout=PATIENCE * 1000)
