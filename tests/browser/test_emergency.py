"""Going back without approvals, through the pages: by a press while it runs, and by a rule after its minute."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.installation import PATIENCE, Person, Staging, Wiki, eventually, newcomer
from tests.browser.test_access import violations

Come = Callable[..., Person]
LONG = PATIENCE * 1000
BACK = """kind: rollback
title: {ko: 되돌리기, en: Go back}
steps:
  - key: back
    title: {ko: 되돌리기, en: Go back}
    role: DevOps
    phase: replace
    action: shell
    runs_on: app
    parameters: {command: echo back}
    estimate: 10s
"""
FAILS = """kind: deploy
title: {ko: 실패, en: Fails}
steps:
  - key: change
    title: {ko: 바꾸기, en: Change}
    role: DevOps
    phase: replace
    action: shell
    runs_on: app
    parameters: {command: echo changed}
    estimate: 10s
  - key: check
    title: {ko: 확인, en: Look at the page}
    role: DevOps
    phase: verify
    action: http_check
    runs_on: app
    parameters: {urls: ["http://127.0.0.1:1/"], from: host, attempts: 1}
    estimate: 10s
"""


class Rules:
    """Staging's rules, changed by the administrator through the pages."""

    def __init__(self, admin: Person) -> None:
        self.admin = admin
        page = admin.open("/runbooks/new")
        admin.choose("project", "데모")
        page.locator("[name=key]").fill("go-back")
        page.locator("main [name=name]").fill("되돌리기 절차")
        page.locator("main form button.go").click()
        self.write(page, BACK)

    @staticmethod
    def write(page: Page, text: str) -> None:
        page.locator("textarea[name=text]").fill(text)
        page.locator("main form button.go").click()
        page.wait_for_url(re.compile(r"/runbooks/\d+/$"))

    def set(self, **choices: str) -> None:
        page = self.admin.open("/")
        page.locator(".envs section", has_text=Staging.name).locator("a[href^='/environments/']").click()
        page.locator("a[href$='/edit']").click()
        for name, text in choices.items():
            self.admin.choose(name, text)
        page.locator("main form button.go").click()
        page.wait_for_url(re.compile(r"/environments/\d+/$"))


@pytest.fixture(scope="module")
def rules(wiki: Wiki, staging: Staging, browser: Browser) -> Iterator[Rules]:
    """Staging knows how to go back, and does nothing by itself."""
    admin = newcomer(wiki, browser, "admin", "en")
    admin.log_in()
    made = Rules(admin)
    made.set(rollback_runbook="되돌리기 절차")
    yield made
    made.set(automatic_rollback="Off")
    admin.page.context.close()


def test_a_press_aborts_what_runs_and_goes_back(staging: Staging, rules: Rules, come: Come) -> None:
    talk = staging.write_talk(come("admin"))
    minjun = come("minjun")
    number = minjun.prepare(Staging.name)
    minjun.press_start()
    eventually(lambda: talk.times_begun)
    page = minjun.page
    page.get_by_role("link", name="Abort and roll back…").click()
    expect(page.locator("main")).to_contain_text("It is aborted first")
    assert page.get_by_role("button", name="Make the rollback's plan").count() == 0
    page.get_by_label("Why it can't wait").fill("the wrong release")
    page.get_by_role("button", name="Abort and roll back").click()
    expect(page.locator("#live .banner").first).to_contain_text("the wrong release")
    expect(page.locator("main")).to_contain_text("Rolled back in an emergency", timeout=LONG)  # told by the stream
    assert minjun.deployment(number)["status"] == "cancelled"
    page.locator("#live .banner a.link").click()
    expect(page.locator("#live .banner")).to_contain_text("Emergency rollback, without approvals: the wrong release")
    assert violations(page) == []
    back = minjun.deployment(minjun.number())
    assert (back["status"], back["undoes"], back["requested_by"]) == ("succeeded", number, "김민준")


def test_a_rule_leaves_a_minute_and_a_person_decides(staging: Staging, rules: Rules, come: Come) -> None:
    rules.set(automatic_rollback="After a minute in which a person may say no")
    Rules.write(rules.admin.open(f"{staging.runbook}edit"), FAILS)
    minjun, jiho = come("minjun"), come("jiho")  # jiho may only read
    number = minjun.prepare(Staging.name)
    minjun.press_start()
    page, other = minjun.page, jiho.open(f"/deployments/{number}/")
    for tab in (page, other):
        expect(tab.get_by_role("alert")).to_contain_text("It is going to be rolled back by itself in", timeout=LONG)
        expect(tab.get_by_role("alert")).to_contain_text("Look at the page: a page does not answer as it should")
        assert violations(tab) == []
    clock = page.locator("#live .banner [data-clock=down]")
    shown = clock.inner_text()
    eventually(lambda: clock.inner_text() != shown)
    assert other.get_by_role("button", name="Don't roll back").count() == 0

    page.get_by_role("button", name="Roll back now").click()

    for tab in (page, other):
        expect(tab.locator("main")).to_contain_text("Rolled back in an emergency", timeout=LONG)
    assert violations(page) == []
    again = minjun.prepare(Staging.name)
    expect(page.locator("#reasons")).to_contain_text("The release was rolled back by itself")
    minjun.open(f"/deployments/{number}/")
    page.locator("#clear-reason").fill("the check was wrong")
    page.get_by_role("button", name="Let them go on").click()
    expect(page.locator("main")).to_contain_text("let the rules and the release go on")
    page = minjun.open(f"/deployments/{again}/")
    expect(page.locator("main")).to_contain_text("Plan")
    expect(page.locator("main")).not_to_contain_text("The release was rolled back by itself")
