"""Every page, light and dark, Korean and English, wide and narrow: axe finds nothing, nothing scrolls sideways,
no script fails and the security policy refuses nothing."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern
from playwright.sync_api import Page

from releases import urls
from tests.browser import notices, public_pages
from tests.browser.costs import cost_pages
from tests.browser.insights_pages import insights_pages
from tests.browser.installation import PATIENCE, Person, Staging, Wiki, eventually, newcomer
from tests.browser.risk_pages import risk_pages
from tests.browser.test_gpu import Provider, consent, endpoint_of
from tests.browser.wiki_pages import wiki_pages

Come = Callable[..., Person]
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
# The innermost thing that sticks out, for whoever has to mend it.
WIDEST = """(() => {
  const out = [...document.querySelectorAll('main *')].filter((one) =>
    one.getBoundingClientRect().right > document.documentElement.clientWidth && !one.closest('.diff, .scroll-x, pre'));
  return out.length ? out.at(-1).outerHTML.slice(0, 300) : 'nothing in main';
})()"""
FAIL = "echo $((40 + 2)); echo oops >&2; exit 3"
# What GET answers there is no page: an event stream, a part of a page, JSON, a file.
NOT_PAGES = {
    "worker_log_events",
    "events",
    "live",
    "log_lines",
    "log_raw",
    "attempt_file",
    "runbook_text",
    "announcements",
    "metrics",
    *public_pages.NOT_PAGES,
}


POSTS = {pattern.name for pattern in urls.verbs} | {
    *("add_artifact", "record_artifact", "validate_runbook", "scan_host", "pin_host", "unpin_host", "check_host"),
    *("prove_backup", "take_backups", "remove_backup", "return_backup", "say_compatibility", "drop_kept_database"),
    *("check_gpu_account", "set_gpu_key", "adopt_gpu_endpoint", "remove_release_gpu"),
    *("lock", "unlock", "take_over", "set_variable", "add_window", "set_probe", "delete_variable", "remove_window"),
}


def page_names() -> set[str]:
    """Every name in releases.urls that is a page."""
    names = {pattern.name for pattern in urls.urlpatterns if isinstance(pattern, URLPattern) and pattern.name}
    return names - POSTS - NOT_PAGES


@pytest.fixture(scope="module")
def paths(wiki: Any, staging: Staging, browser: Any) -> Iterator[dict[str, str]]:
    """An address for every page, by name; deployments in the states that look different."""
    admin, minjun = (newcomer(wiki, browser, name, "en") for name in ("admin", "minjun"))
    for person in (admin, minjun):
        person.log_in()
    found: dict[str, str] = {"login": "/login/", "audit_verify": "/audit/verify", "index": "/announcements/demo/"}
    for outcome, command in (("failed", FAIL), ("succeeded", "printf '\\033[32mgreen\\033[0m and \\033[31mred\\n'")):
        staging.write(admin, command)
        number = minjun.prepare(Staging.name)
        minjun.press_start()
        assert minjun.until_over(number)["status"] == outcome
        found[outcome] = f"/deployments/{number}/"
    found |= _gpu_pages(admin) | failed_model(wiki, minjun)
    for pages in (wiki_pages, cost_pages, notices.pages, risk_pages):
        found |= pages(admin)
    talk = staging.write_talk(admin)
    found["deployment"] = f"/deployments/{minjun.prepare('운영')}/"
    found["running"] = f"/deployments/{minjun.prepare(Staging.name)}/"
    minjun.press_start()
    eventually(lambda: talk.times_begun)
    found["roll_back"] = f"{found['succeeded']}roll-back"
    # Its check takes the first backups.
    minjun.post(f"{found['deployment']}prove")
    first = admin.open("/backups/").locator("td.lead a").first
    eventually(lambda: first.count() or (admin.page.reload() and False))
    found["backup"] = str(first.get_attribute("href"))
    runbook = staging.runbook
    found |= {"runbook": runbook, "edit_runbook": f"{runbook}edit", "new_runbook": "/runbooks/new"}
    for name, path in {"release": "/releases/1/", "host": "/hosts/1/", "environment": "/environments/1/"}.items():
        found |= {name: path, f"edit_{name}": f"{path}edit"}
    found |= insights_pages(admin, runbook)
    found |= {f"new_{name}": f"/{name}s/new" for name in ("release", "host", "deployment")}
    found |= {name: f"/{name}/" for name in ("deployments", "releases", "runbooks", "hosts", "backups", "history")}
    found |= {"environment_backups": "/environments/1/backups", "compatibility": "/projects/1/compatibility"}
    found |= {
        "dashboard": "/",
        "audit": "/audit/",
        "system": "/system/",
    }
    found |= public_pages.paths(admin)
    yield found
    talk.end()
    minjun.until_over(minjun.number())
    for person in (admin, minjun):
        person.page.context.close()


def _gpu_pages(admin: Person) -> dict[str, str]:
    """An account whose provider is away, and a release of which nothing ran."""
    values = {"project": "1", "provider": "runpod", "control_url": "http://127.0.0.1:9", "key": "rpa_no-key-at-all"}
    assert admin.post("/gpu/accounts/new", name="our cards", worker_quota="5", **values)[0] == 302
    account = str(admin.open("/gpu/accounts/").locator("td.lead a").first.get_attribute("href"))
    admin.post("/releases/new", project="1", version="v9-gpu", commit="abcdef1", branch="main")
    release = str(admin.open("/releases/").get_by_role("link", name="v9-gpu").first.get_attribute("href"))
    wish = {"method": "vllm", "model": "Qwen/Qwen2.5-7B-Instruct", "pools": "AMPERE_24", "gpu_count": "1"}
    wish |= {"disk_gb": "60", "min_workers": "0", "max_workers": "2", "idle_timeout": "30", "execution_timeout": "300"}
    wish |= {"init_timeout": "800", "scaling": "QUEUE_DELAY", "scaling_value": "4", "flashboot": "FLASHBOOT"}
    assert admin.post(f"{release}gpu", **wish)[0] == 302
    return {
        "gpu_accounts": "/gpu/accounts/",
        "new_gpu_account": "/gpu/accounts/new",
        "gpu_account": account,
        "edit_gpu_account": f"{account}edit",
        "environment_gpu": "/environments/1/gpu",
        "edit_environment_gpu": "/environments/1/gpu/edit",
        "gpu_release": release,
        "release_gpu": f"{release}gpu",
    }


def failed_model(wiki: Wiki, person: Person) -> dict[str, str]:
    """An endpoint whose model answers nothing: it never got the traffic, and costs nothing any more."""
    provider = Provider(wiki)
    provider.fault("engine_dead")
    try:
        number = person.prepare(Staging.name, "qwen-7b-r1")
        consent(person.page, 3)
        person.press_start()
        done = person.until_over(number)
    finally:
        provider.clear()
    assert done["status"] == "failed"
    path = f"/gpu/endpoints/{endpoint_of(person, done)['id']}/"
    return {"gpu_endpoints": "/gpu/", "gpu_endpoint": path, "worker_log": f"{path}workers/worker-1/log"}


def violations(page: Page) -> list[tuple[str, str, list[str]]]:
    """What axe finds on the page: rule, weight, the first nodes."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [(one["id"], one["impact"], [node["html"][:160] for node in one["nodes"]][:3]) for one in found]


def faults_of(page: Page, width: int) -> list[Any]:
    """Everything wrong with what the page shows now."""
    for pane in page.locator("log-pane:visible").all():  # a log is read when it comes into view
        if pane.get_attribute("data-total") != "0":
            pane.scroll_into_view_if_needed()
            pane.locator(".ln").first.wait_for(timeout=PATIENCE * 1000)
    found: list[Any] = violations(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    return found + ([f"{wide} px wide on a screen of {width}: {page.evaluate(WIDEST)}"] if wide > width else [])


def test_every_page_is_looked_at(paths: dict[str, str]) -> None:
    assert page_names() - set(paths) == set()


@pytest.mark.parametrize(
    ("language", "theme", "width"),
    [("ko", "light", 1440), ("ko", "dark", 390), ("en", "dark", 1440), ("en", "light", 390)],
)
def test_axe_finds_nothing(paths: dict[str, str], come: Come, language: str, theme: Any, width: int) -> None:
    size = {"width": width, "height": 900}
    admin = come(
        "admin", language=language, locale=language, color_scheme=theme, viewport=size, reduced_motion="reduce"
    )
    found: dict[str, list[Any]] = {}
    for name, path in paths.items():
        if name == "login":
            continue
        page = admin.open(path)
        assert page.locator("html").get_attribute("lang") == language
        page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        found[name] = faults_of(page, width)
    page = admin.open(paths["deployment"])
    page.locator("[data-dialog]:visible").first.click()
    found["dialog"] = faults_of(page, width)
    page.context.clear_cookies(name="sessionid")
    found["login"] = faults_of(admin.open("/login/"), width)
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_error_pages_are_pages_too(come: Come) -> None:
    minjun = come("minjun")
    page = minjun.open("/deployments/999999/")
    assert violations(page) == []
    assert page.locator("a[href='/']").count() > 0
    status, html = minjun.post("/deployments/999999/start")
    assert status == 404
    assert re.search(r"<html lang=", html)
