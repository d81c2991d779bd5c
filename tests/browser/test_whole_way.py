"""A release goes from a new commit to success through the pages, by the people who do it; a forged start is refused."""

import re
import subprocess
from collections.abc import Callable

from playwright.sync_api import Page, expect

from demo import build
from tests.browser.installation import PATIENCE, Person, Wiki, eventually

Come = Callable[..., Person]
PRODUCTION = "운영"
LONG = PATIENCE * 1000

# Notes, ten times a second, everything that should move while a deployment runs.
RECORDER = """
window.seen = {titles: new Set(), icons: new Set(), clocks: new Set(), flows: new Set(), ages: new Set(), lines: 0};
window.saw = (icon) => [...seen.icons].some((address) => address?.includes(icon));
setInterval(() => {
  const text = (query) => document.querySelector(query)?.textContent ?? "";
  seen.titles.add(document.title);
  seen.icons.add(document.getElementById("favicon")?.getAttribute("href"));
  if (document.querySelector('[data-clock="tenths"]')) seen.clocks.add(text("#downtime time"));
  seen.flows.add([...document.querySelectorAll(".flow.h > g")].map((box) => box.getAttribute("class")).join(" "));
  seen.ages.add(text('[data-stream="live"]'));
  for (const pane of document.querySelectorAll("log-pane")) {
    seen.lines = Math.max(seen.lines, pane.querySelectorAll(".ln").length);
  }
}, 100);
"""


def new_commit(wiki: Wiki, version: str) -> str:
    """A developer's work in the demo project's repository: changed, committed and built."""
    (wiki.workspace / "VERSION").write_text(f"{version}\n")
    (wiki.workspace / "backend" / "Search.java").write_text(f"class Search {{ /* {version} */ }}\n")
    git = ["git", "-C", str(wiki.workspace), "-c", "user.name=박지호", "-c", "user.email=jiho@demo.example"]
    for words in (["add", "--all"], ["commit", "--quiet", "--message", f"검색 {version}"]):
        subprocess.run([*git, *words], check=True)
    build.backend(wiki.workspace)
    build.frontend(wiki.workspace)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def make_release(person: Person, version: str, commit: str) -> None:
    """Name the commit and its two artifacts, with their digests."""
    page = person.open("/releases/")
    page.locator("a[href='/releases/new']").click()
    page.locator("[name=version]").fill(version)
    page.locator("[name=commit]").fill(commit)
    page.locator("main form button.go").click()
    page.wait_for_url(re.compile(r"/releases/\d+/$"))
    for name, path, is_folder in (("backend", "build/libs/app.jar", False), ("frontend", ".next", True)):
        page.locator("details summary", has_text="Add an artifact").click()
        form = page.locator("form[action$='/artifacts']")
        form.locator("[name=name]").fill(name)
        form.locator("[name=path]").fill(path)
        form.locator("[name=is_folder]").set_checked(is_folder)
        form.locator("button.go").click()
        row = page.locator("tr", has_text=path)
        row.locator("form[action$='/record'] button").click()
        expect(row.locator("code[title]")).to_have_attribute("title", re.compile("^[0-9a-f]{64}$"))


def tick_all(page: Page) -> None:
    """Let the checks run, and tick by hand what is left to a person."""
    page.locator("form[action$='/prove'] button, form[action$='/prove-all'] button").first.wait_for()
    page.get_by_role("button", name="Run all checks").click()
    for form in page.locator("form.tick").all():
        form.locator("button").click()
    expect(page.locator(".tickbox.on")).to_have_count(4, timeout=LONG)


def test_a_release_goes_the_whole_way(wiki: Wiki, come: Come) -> None:
    minjun = come("minjun", fresh=True)
    make_release(minjun, "v1.2.0", new_commit(wiki, "v1.2.0"))
    number = minjun.prepare(PRODUCTION, "v1.2.0")
    page = minjun.page

    start = page.locator("#start .btn.go")
    expect(start).to_be_disabled()
    reasons = page.locator(f"#{start.get_attribute('aria-describedby')} li")
    expect(reasons.filter(has_text="approval")).to_have_count(1)
    expect(reasons.filter(has_text="Git branch")).to_have_count(1)
    assert reasons.count() == page.locator("section[aria-labelledby=blockers-title] li").count()
    tick_all(page)
    expect(reasons).to_have_count(1, timeout=LONG)

    seoyeon = come("seoyeon", fresh=True)
    seoyeon.open(f"/deployments/{number}/").get_by_role("button", name="Approve this plan").click()
    expect(page.locator("#start .btn.go")).to_be_enabled(timeout=LONG)  # told by the stream, without a reload

    page.add_init_script(RECORDER)
    page.locator("#confirm-name").fill("틀린 이름")
    page.locator("#start .btn.go").click()
    expect(page.locator("#start")).to_be_visible()
    assert minjun.deployment(number)["status"] == "draft"
    minjun.press_start()
    done = minjun.until_over(number)
    assert done["status"] == "succeeded", done
    expect(page.locator(".dbar .badge")).to_have_class(re.compile("s-succeeded"), timeout=LONG)
    eventually(lambda: "✓" in page.title())
    eventually(lambda: page.evaluate("saw('running') && saw('succeeded')"))  # the recorder looks every 100 ms
    seen = page.evaluate("Object.fromEntries(Object.entries(seen).map(([k, v]) => [k, v instanceof Set ? [...v] : v]))")

    assert any("▶" in title for title in seen["titles"]), seen
    assert len(seen["clocks"]) > 5, seen
    assert len(seen["flows"]) > 3, seen
    assert any(age.startswith("Live ·") for age in seen["ages"]), seen
    assert seen["lines"] > 0, seen
    assert done["downtime"]["measured"] > 0, done["downtime"]
    expect(page.locator("#downtime .tri dd").nth(2)).not_to_have_text(re.compile("^–"))
    assert "v1.2.0" in seoyeon.open("/").locator(".envs .card").first.inner_text()
    prove_a_backup(minjun, number)
    roll_back(minjun, seoyeon, number)
    assert "before-v1.2.0" in seoyeon.open("/").locator(".envs .card").first.inner_text()


def prove_a_backup(person: Person, number: int) -> None:
    """Have the dump that the deployment took restored elsewhere and compared; the page follows by itself."""
    page = person.open("/backups/?kind=database")
    page.locator("tr", has=page.locator(f"a[href='/deployments/{number}/']")).locator("td.lead a").click()
    page.get_by_role("button", name="Prove it").click()
    expect(page.locator("dl.kv dd").first).to_contain_text("restored in", timeout=LONG)
    expect(page.locator("#seen .s-succeeded").first).to_be_visible()
    expect(page.locator("#seen")).not_to_have_attribute("hx-trigger", "every 2s")


def roll_back(person: Person, approver: Person, number: int) -> None:
    """One press on the deployment's page, an approval, a start: what ran before runs again."""
    page = person.open(f"/deployments/{number}/")
    page.get_by_role("link", name="Roll back…").click()
    expect(page.locator("h1")).to_contain_text("before-v1.2.0")
    expect(page.locator("main")).to_contain_text("The database stays as it is")
    page.get_by_role("button", name="Make the rollback's plan").click()
    page.wait_for_url(re.compile(r"/deployments/\d+/$"))
    back = person.number()
    expect(page.locator("section[aria-labelledby=back-title] li")).to_have_count(2)
    approver.open(f"/deployments/{back}/").get_by_role("button", name="Approve this plan").click()
    person.press_start()
    done = person.until_over(back)
    assert done["status"] == "succeeded", done
    assert done["downtime"]["measured"] > 0, done["downtime"]
    expect(person.open(f"/deployments/{number}/").locator("dl.meta")).to_contain_text("Undone by")


def test_a_forged_start_is_refused_and_runs_nothing(come: Come) -> None:
    minjun = come("minjun")
    number = minjun.prepare(PRODUCTION)
    # The draft has its host checked; that ends while we look.
    expect(minjun.page.locator("#reasons li", has_text="checked lately")).to_have_count(0, timeout=LONG)
    listed = {text.strip(" –\n") for text in minjun.page.locator("#reasons li").all_inner_texts()}
    digest = minjun.page.locator("#start input[name=digest]").get_attribute("value") or ""

    status, html = minjun.post(f"/deployments/{number}/start", digest=digest, confirm_name=PRODUCTION)

    assert status == 409
    minjun.page.set_content(html)
    refused = set(minjun.page.locator("ul.why b").all_inner_texts())
    assert refused == listed
    assert len(listed) >= 5
    found = minjun.deployment(number)
    assert found["status"] == "draft"
    assert {step["status"] for step in found["steps"]} <= {"pending", "skipped"}
