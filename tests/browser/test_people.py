"""People at the pages: with the keyboard alone, without rights, with a quick finger, with an old tab."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.installation import PATIENCE, Person, Staging, eventually

Come = Callable[..., Person]


def tab_to(page: Page, wanted: Locator, most: int = 120) -> None:
    """Press Tab until the focus is there; a thing that Tab does not reach fails the test."""
    wanted.wait_for()
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            outline = wanted.evaluate("element => getComputedStyle(element).outlineStyle")
            assert outline != "none" or wanted.evaluate("element => !!element.closest(':focus-within')")
            return
    pytest.fail(f"Tab does not reach {wanted}")


def test_the_main_actions_work_with_the_keyboard_alone(staging: Staging, come: Come) -> None:
    talk = staging.write_talk(come("admin"))
    minjun = come("minjun", fresh=True)
    page = minjun.open("/")
    page.keyboard.press("Tab")
    expect(page.locator("a.vh")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    tab_to(page, page.locator(".headline a[href='/deployments/new']"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/deployments/new$"))
    for name in ("release", "environment"):
        field = page.locator(f"select[name={name}]")
        wanted = next(
            i
            for i, text in enumerate(field.locator("option").all_inner_texts())
            if text.endswith("v1.1.0" if name == "release" else Staging.name)
        )
        tab_to(page, field)
        for _ in range(wanted):
            page.keyboard.press("ArrowDown")
        assert field.evaluate("field => field.selectedIndex") == wanted
    tab_to(page, page.locator("main form button.go"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/deployments/\d+/$"))
    number = minjun.number()
    expect(page.locator("#start .btn.go")).to_be_enabled(timeout=PATIENCE * 1000)
    tab_to(page, page.locator("#start .btn.go"))
    page.keyboard.press("Enter")
    expect(page.locator("#step-talk.s-running")).to_be_visible(timeout=PATIENCE * 1000)

    page.keyboard.press("j")
    expect(page.locator("#step-talk summary")).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("#step-after summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#step-after details")).to_have_attribute("open", "")
    page.keyboard.press("k")
    expect(page.locator("#step-talk summary")).to_be_focused()
    page.locator("log-pane .ln").first.wait_for()
    page.keyboard.press("/")
    expect(page.locator("log-pane [data-log=find]").first).to_be_focused()
    page.keyboard.type("line 3")
    expect(page.locator("log-pane mark").first).to_be_visible()
    page.keyboard.press("Escape")
    tab_to(page, page.locator(".dbar [data-dialog=ask-cancel]"))
    page.keyboard.press("Enter")
    expect(page.locator("#ask-cancel")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#ask-cancel")).to_be_hidden()
    expect(page.locator(".dbar [data-dialog=ask-cancel]")).to_be_focused()
    assert minjun.deployment(number)["status"] == "running"
    talk.end()
    assert minjun.until_over(number)["status"] == "succeeded"


def test_a_viewer_sees_no_actions(staging: Staging, come: Come) -> None:
    talk = staging.write_talk(come("admin"))
    minjun, jiho = come("minjun"), come("jiho")
    number = minjun.prepare(Staging.name)
    paths = [f"/deployments/{number}/", "/", "/releases/", "/releases/1/", "/hosts/", "/hosts/1/"]
    paths += ["/environments/1/", "/runbooks/", "/runbooks/1/", "/backups/", "/history/", "/audit/"]
    for path in paths:
        page = jiho.open(path)
        assert page.locator("main form[method=post]").count() == 0, path
        assert page.locator("main [data-dialog], dialog form[method=post]").count() == 0, path
        assert page.locator("main a[href$='/edit'], main a[href$='/new']").count() == 0, path
    minjun.press_start()
    page = jiho.open(f"/deployments/{number}/")
    expect(page.locator("#step-talk.s-running")).to_be_visible(timeout=PATIENCE * 1000)
    assert page.locator("main form[method=post], main [data-dialog], dialog form[method=post]").count() == 0
    assert jiho.post(f"/deployments/{number}/cancel")[0] == 403
    talk.end()
    assert minjun.until_over(number)["status"] == "succeeded"


def test_a_double_click_makes_one_deployment_and_starts_it_once(staging: Staging, come: Come) -> None:
    admin, minjun = come("admin"), come("minjun")
    staging.write(admin, "echo quick")
    before = minjun.api("/deployments")["count"]
    page = minjun.open("/deployments/new")
    minjun.choose("release", "v1.1.0")
    minjun.choose("environment", Staging.name)
    page.locator("main form button.go").dblclick()
    page.wait_for_url(re.compile(r"/deployments/\d+/$"))
    assert minjun.api("/deployments")["count"] == before + 1
    number = minjun.number()
    expect(page.locator("#start .btn.go")).to_be_enabled(timeout=PATIENCE * 1000)
    page.locator("#start .btn.go").dblclick()
    done = minjun.until_over(number)
    assert done["status"] == "succeeded"
    assert [step["status"] for step in done["steps"]] == ["succeeded", "succeeded"]
    # Another person looks: the press's own page may still be on its way.
    page = admin.open(f"/audit/?action=deployment.start&target=%23{number}")
    expect(page.locator(f"main tbody a[href='/deployments/{number}/']")).to_have_count(1)


def test_an_old_tab_is_told_that_the_plan_changed(staging: Staging, come: Come) -> None:
    admin, minjun = come("admin"), come("minjun")
    staging.write(admin, "echo one")
    number = minjun.prepare(Staging.name)
    path = f"/deployments/{number}/"
    expect(minjun.page.locator("#start .btn.go")).to_be_enabled(timeout=PATIENCE * 1000)
    old = minjun.page.context.new_page()
    old.route(re.compile(r"/(events|live)(\?|$)"), lambda route: route.abort())  # it hears nothing more
    old.goto(minjun.wiki.address + path)
    staging.write(admin, "echo two")
    page = minjun.open(path)
    page.locator("form[action$='/rebuild'] button").first.click()
    expect(page.locator(".planned")).to_contain_text("echo two")

    old.locator("#start .btn.go").click()

    expect(old.locator("[role=alert]")).to_be_visible()
    expect(old.locator("main")).to_contain_text("The plan changed after you opened the page")
    assert minjun.deployment(number)["status"] == "draft"
    old.locator(f"main a[href='{path}']").last.click()
    expect(old.locator(".planned")).to_contain_text("echo two")
    minjun.press_start()
    eventually(lambda: minjun.deployment(number)["status"] == "succeeded")
