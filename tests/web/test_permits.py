"""Open pages ask together whether they may still watch, and each gets its own answer."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.logs import store
from releases.models import Membership, User
from releases.views import permits
from releases.views.permits import Page
from tests.factories import World, make_user


def session(minutes: int = 60) -> str:
    key = uuid.uuid4().hex
    Session.objects.create(session_key=key, session_data="", expire_date=timezone.now() + timedelta(minutes=minutes))
    return key


def member(world: World, name: str) -> User:
    user = make_user(name)
    Membership.objects.create(project=world.project, user=user)
    return user


def test_each_page_gets_the_answer_of_its_own_session_person_and_project(world: World) -> None:
    run = world.draft().pk
    stays, left, inactive = (member(world, name) for name in ("stays", "left", "inactive"))
    chief = User.objects.create_superuser("chief")
    allowed = [Page(session(), stays.pk, run), Page(session(), chief.pk, run)]
    refused = [
        Page(session(-1), stays.pk, run),  # expired
        Page(uuid.uuid4().hex, stays.pk, run),  # logged out
        Page(None, stays.pk, run),
        Page(session(), left.pk, run),
        Page(session(), inactive.pk, run),
        Page(session(), world.outsider.pk, run),
        Page(session(), stays.pk, run + 1),  # no such deployment
        Page(session(), chief.pk, run + 1),
    ]
    Membership.objects.filter(user=left).delete()
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    assert permits.allowed(allowed + refused) == set(allowed)


def test_hundreds_of_pages_cost_what_one_costs(world: World) -> None:
    run = world.draft().pk
    pages = [Page(session(), member(world, f"member-{number}").pk, run) for number in range(40)]
    with CaptureQueriesContext(connection) as one:
        permits.allowed(pages[:1])
    with CaptureQueriesContext(connection) as many:
        assert permits.allowed(pages) == set(pages)
    assert len(many) == len(one) <= 4


async def test_questions_of_a_moment_are_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Page]] = []

    async def answer(_work: object, pages: list[Page]) -> set[Page]:
        asked.append(pages)
        return {page for page in pages if page.user % 2}

    monkeypatch.setattr(store, "in_thread", answer)
    pages = [Page("key", number, 1) for number in range(50)]
    answers = await asyncio.gather(*(permits.still_allowed(page) for page in [*pages, *pages]))
    assert answers == [bool(page.user % 2) for page in [*pages, *pages]]
    assert asked == [pages]
    assert await permits.still_allowed(pages[1])
    assert len(asked) == 2, "a later question was answered with an old answer"


async def test_a_database_that_is_away_is_told_to_every_page_but_those_that_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*_: object) -> set[Page]:
        raise ConnectionError("away")

    monkeypatch.setattr(store, "in_thread", away)
    tasks = [asyncio.create_task(permits.still_allowed(Page("key", number, 1))) for number in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError, ConnectionError, ConnectionError]
