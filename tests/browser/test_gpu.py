"""A model goes live through the pages: blue, green, the switch under load, the way back, and the end of green."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.installation import PATIENCE, Person, Wiki
from tests.browser.visitors import Visitors

Come = Callable[..., Person]
STAGING = "스테이징"
LONG = PATIENCE * 1000


class Provider:
    """The emulator behind the demo, by its admin route."""

    def __init__(self, wiki: Wiki) -> None:
        self.place = json.loads((wiki.up.data / "demo" / "gpu.json").read_text())

    def fault(self, kind: str, **settings: Any) -> None:
        answer = httpx.post(f"{self.place['admin_url']}/faults", json={"kind": kind, **settings})
        assert answer.status_code == 201, answer.text

    def clear(self) -> None:
        assert httpx.delete(f"{self.place['admin_url']}/faults").status_code == 204

    def state(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.place['admin_url']}/state").json())

    def endpoint(self, ref: str) -> dict[str, Any]:
        return next(each for each in self.state()["endpoints"] if each["id"] == ref)


@pytest.fixture
def provider(wiki: Wiki) -> Provider:
    return Provider(wiki)


def consent(page: Page, boxes: int) -> None:
    """Let the checks run, and tick by hand what is left to a person."""
    by_hand = page.locator("form.tick")
    expect(by_hand).to_have_count(boxes - 1, timeout=LONG)  # one is proved by a check
    for left in reversed(range(boxes - 1)):
        by_hand.first.locator("button").click()
        expect(by_hand).to_have_count(left, timeout=LONG)
    page.get_by_role("button", name="Run all checks").click()
    expect(page.locator(".tickbox.on")).to_have_count(boxes, timeout=LONG)


def deploy(person: Person, release: str) -> dict[str, Any]:
    number = person.prepare(STAGING, release)
    consent(person.page, 3)
    person.press_start()
    done = person.until_over(number)
    assert done["status"] == "succeeded", [(step["key"], step["status"], step["reason"]) for step in done["steps"]]
    return done


def endpoint_of(person: Person, deployment: dict[str, Any]) -> dict[str, Any]:
    """The one that a deployment made."""
    return next(each for each in person.api("/gpu-endpoints")["items"] if each["deployment"] == deployment["id"])


def test_a_model_goes_live_and_back(wiki: Wiki, come: Come, provider: Provider) -> None:
    minjun = come("minjun", fresh=True)
    first = deploy(minjun, "qwen-7b-r1")
    blue = endpoint_of(minjun, first)
    assert blue["state"] == "active"

    ports = json.loads((wiki.up.data / "demo-host.json").read_text())["staging"]
    with Visitors(f"http://127.0.0.1:{ports['backend']}/api/ai/chat") as visitors:
        done = deploy(minjun, "qwen-7b-r2")
    assert visitors.failed == []
    green = endpoint_of(minjun, done)
    assert set(visitors.answered) == {blue["ref"], green["ref"]}
    print(f"answered {dict(visitors.answered)}, failed 0, away {len(visitors.away)} for {visitors.downtime:.1f} s")
    assert endpoint_of(minjun, first)["state"] == "retained"

    provider.fault("max_zero", target=blue["ref"])
    back = roll_back(minjun, done["id"])
    assert back["status"] == "succeeded", [(step["key"], step["status"], step["reason"]) for step in back["steps"]]
    assert provider.endpoint(blue["ref"])["settings"]["workers"]["max"] == 2
    assert provider.endpoint(green["ref"])["settings"]["workers"]["max"] == 0
    assert [endpoint_of(minjun, each)["state"] for each in (first, done)] == ["active", "failed"]
    retire(come("admin"), green)
    assert endpoint_of(minjun, done)["state"] == "retired"
    state = provider.state()
    there = {each["id"] for each in state["endpoints"]}
    assert blue["ref"] in there and green["ref"] not in there and state["violations"] == []


def roll_back(person: Person, number: int) -> dict[str, Any]:
    page = person.open(f"/deployments/{number}/")
    page.get_by_role("link", name="Roll back…").click()
    expect(page.locator("h1")).to_contain_text("qwen-7b-r1")
    page.get_by_role("button", name="Make the rollback's plan").click()
    page.wait_for_url(re.compile(r"/deployments/\d+/$"))
    back = person.number()
    person.press_start()
    return person.until_over(back)


def retire(person: Person, endpoint: dict[str, Any]) -> None:
    """A person types its name; then it is drained and deleted."""
    page = person.open(f"/gpu/endpoints/{endpoint['id']}/")
    page.locator("summary", has_text="Retire").click()
    form = page.locator(f"form[action='/gpu/endpoints/{endpoint['id']}/retire']")
    form.locator("input[name=confirm_name]").fill(endpoint["name"])
    form.locator("button").click()
    expect(page.locator("main")).to_contain_text("Retired", timeout=LONG)
