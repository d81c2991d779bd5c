"""A deployment and its rollback tell everybody: public page, feeds, a mail server, a webhook. Then the database stops.

It stops the database, so its installation is its own; mail and webhook go to real servers on loopback.
"""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.installation import Person, Wiki, eventually, newcomer, running
from tests.browser.test_whole_way import PRODUCTION, make_release, new_commit, roll_back, tick_all
from tests.browser.witness import Witness
from tests.engine.notices.receivers import Mailbox, Webhook

BASE = "/announcements/demo/"
SITE = "https://wiki.example.com"
STATES = ["scheduled", "in_progress", "verifying", "done"]
KOREAN = ["[예정됨]", "[점검 중]", "[확인 중]", "[완료]"]
ENGLISH = ["[Scheduled]", "[In progress]", "[Verifying]", "[Done]"]
NAMES = ("", "feed.atom", "feed.json", "calendar.ics", "badge.svg", "banner/", "status.json", "embed/")
QUICK = 1.0  # seconds for an answer once the database is known to be away; a busy machine is slow
FIRST = 5.0  # of the visitor who finds out


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    yield made
    made.stop()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.stop()


@pytest.fixture
def told(mailbox: Mailbox, webhook: Webhook) -> Iterator[Wiki]:
    """An installation that may talk to both receivers."""
    with running(
        EMAIL_URL=f"smtp://127.0.0.1:{mailbox.port}",
        CLOUDWIKI_MAIL_FROM="Cloud Wiki <wiki@example.com>",
        CLOUDWIKI_URL=SITE,
        CLOUDWIKI_PROBE_ALLOWED_NETWORKS="127.0.0.0/8",
    ) as made:
        yield made


def marks(subjects: list[str]) -> list[str]:
    """What stands before each title."""
    return [subject.split("]")[0] + "]" for subject in subjects]


def add_channel(admin: Person, name: str, kind: str, audience: str, language: str, address: str) -> None:
    """Through the form, then its test message through its button."""
    page = admin.open("/channels/new")
    form = page.locator("main form")
    form.locator("[name=name]").fill(name)
    for field, value in (("kind", kind), ("audience", audience), ("language", language)):
        form.locator(f"select[name={field}]").select_option(value)
    form.locator("[name=address]").fill(address)
    form.locator("button.go").click()
    page.wait_for_url(re.compile(r"/channels/$"))
    assert "very-secret" not in page.content()
    page.locator("main li", has_text=name).locator("form[action$='/test'] button").click()
    page.wait_for_url(re.compile(r"/deliveries/"))


def deploy(person: Person, approver: Person) -> int:
    """The demo's fourteen steps in production, with their checks and an approval."""
    make_release(person, "v1.2.0", new_commit(person.wiki, "v1.2.0"))
    number = person.prepare(PRODUCTION, "v1.2.0")
    tick_all(person.page)
    approver.open(f"/deployments/{number}/").get_by_role("button", name="Approve this plan").click()
    person.press_start()
    done = person.until_over(number)
    assert done["status"] == "succeeded", done
    return number


@contextmanager
def database_frozen(wiki: Wiki) -> Iterator[None]:
    """PostgreSQL with all of its sessions: it is there for the supervisor, and says nothing to anybody."""
    server = wiki.up.named("postgres")
    family = [server, *server.children(recursive=True)]
    try:
        for process in family:
            _signal(process, signal.SIGSTOP)
        yield
    finally:
        for process in reversed(family):
            _signal(process, signal.SIGCONT)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def test_a_deployment_and_its_rollback_tell_everybody(
    told: Wiki, browser: Browser, mailbox: Mailbox, webhook: Webhook
) -> None:
    began = time.monotonic()
    people = {name: newcomer(told, browser, name, "en") for name in ("admin", "minjun", "seoyeon")}
    for person in people.values():
        person.log_in()
    add_channel(people["admin"], "독자 메일", "email", "users", "ko", "readers@example.com")
    add_channel(people["admin"], "Team hook", "chat", "team", "en", webhook.address)
    eventually(lambda: mailbox.mails and webhook.seen)
    assert "시험 메시지" in mailbox.subjects[0]
    assert webhook.titles[0].startswith("Test message of")
    mailbox.mails.clear()
    webhook.seen.clear()

    with Witness(told.address + BASE) as witness:
        known = set(witness.seen["feed.json"])
        number = deploy(people["minjun"], people["seoyeon"])
        eventually(lambda: len(mailbox.mails) >= 4 and len(webhook.seen) >= 4)
        roll_back(people["minjun"], people["seoyeon"], number)
        eventually(lambda: len(mailbox.mails) >= 8 and len(webhook.seen) >= 8)
        new = sorted(set(witness.seen["feed.json"]) - known)
        eventually(lambda: [witness.states("", one)[-1] for one in new] == ["done", "done"])
        looks = witness.looks
        eventually(lambda: witness.looks > looks + 1)
    print(f"{witness.looks} looks; deployment and rollback took {time.monotonic() - began:.0f} s")
    for source in witness.seen:
        print(source or "page", [witness.states(source, one) for one in new])
    print("timelines", [witness.timelines(one) for one in new])
    print("mail", mailbox.subjects, "webhook", webhook.titles)
    assert witness.faults == []
    the_states_are_whole(witness, new)
    the_inboxes_are_whole(mailbox, webhook, new)
    for person in people.values():
        assert person.faults == []
        person.page.context.close()
    without_its_database(told, browser)


def the_states_are_whole(witness: Witness, new: list[int]) -> None:
    """The timelines have all states in their order, each once, and so were they seen; the calendar only counts up.

    A state of the rollback may be shorter than the page's three seconds between two looks: then no look need see it.
    """
    assert len(new) == 2
    deployment, rollback = new
    for one in new:
        assert witness.timelines(one) == {"page": STATES, "feed.atom": STATES, "feed.json": STATES}
    for source in ("", "feed.atom", "feed.json"):
        assert witness.states(source, deployment) == STATES, source or "page"
        seen = witness.states(source, rollback)
        assert seen == [state for state in STATES if state in seen] and seen[-1] == "done", source or "page"
    assert witness.states("status.json", deployment) == STATES[:-1]
    seen = witness.states("status.json", rollback)
    assert seen == [state for state in STATES[:-1] if state in seen] and seen
    for one in new:
        changes = [change for change, _begins in witness.states("calendar.ics", one)]
        assert len(changes) > 1
        assert changes == sorted(set(changes))


def the_inboxes_are_whole(mailbox: Mailbox, webhook: Webhook, new: list[int]) -> None:
    """Each state once, in order, in the channel's language, with the link that its readers may open."""
    assert marks(mailbox.subjects) == KOREAN * 2
    assert marks(webhook.titles) == ENGLISH * 2
    assert len({mail.message["Message-ID"] for mail in mailbox.mails}) == 8
    assert all(mail.to == ["readers@example.com"] for mail in mailbox.mails)
    assert all(f"{SITE}{BASE}" in mail.part("plain") for mail in mailbox.mails)
    links = [f"{SITE}/notices/{one}/" for one in new for _state in STATES]
    assert [link in said["message"] for link, said in zip(links, webhook.seen, strict=True)] == [True] * 8


def without_its_database(wiki: Wiki, browser: Browser) -> None:
    """Everything public answers 200 at once, and says of when it is."""
    with database_frozen(wiki), httpx.Client(base_url=wiki.address + BASE, timeout=20) as client:

        def is_late() -> bool:
            answer = client.get("status.json")
            assert answer.status_code == 200
            assert answer.elapsed.total_seconds() < FIRST
            return bool(answer.json()["late"])

        eventually(is_late, 20)
        took = {}
        for name in NAMES:
            answer = client.get(name, params={"lang": "en"})
            assert answer.status_code == 200, name
            took[name or "page"] = answer.elapsed.total_seconds()
        print("without the database", {name: f"{1000 * seconds:.0f} ms" for name, seconds in took.items()})
        assert max(took.values()) < QUICK, took
        assert "as of" in client.get("badge.svg", params={"lang": "en"}).text
        for language, words in (("en", "does not answer right now"), ("ko", "데이터베이스가 응답하지 않습니다")):
            reader = newcomer(wiki, browser, "nobody", language, locale=language)
            page = reader.open(BASE)
            expect(page.locator("[role=status].late")).to_contain_text(words)
            assert reader.faults == []
            page.context.close()
    eventually(lambda: not httpx.get(f"{wiki.address}{BASE}status.json", timeout=20).json()["late"], 30)
