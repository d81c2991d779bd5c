"""The reminder ten minutes before: once, for the time that holds; a run that is late moves it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from releases.audit import Actor
from releases.engine import announcements, announcing, clock
from releases.engine.announcements import Wish
from releases.engine.errors import Conflict
from releases.models import Announcement, Deployment, Notice, Step
from releases.notices import states
from releases.notices.shipped import SHIPPED, Words
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db
WORDS = Words("점검", "Maintenance", "본문", "text")


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def told(row: Announcement) -> list[str]:
    return list(Notice.objects.filter(announcement=row).order_by("pk").values_list("event", flat=True))


def wish(starts_at: datetime, state: str = "scheduled", words: Words = WORDS) -> Wish:
    return Wish(state, words, starts_at, starts_at + timedelta(minutes=8), ())


def announce(world: World, begins_in: timedelta) -> Announcement:
    starts_at = clock.now() + begins_in
    return announcements.announce(world.environment, "maintenance", wish(starts_at), Actor(world.requester))


def test_it_comes_once_and_not_before_its_time(world: World) -> None:
    row = announce(world, timedelta(hours=1))
    assert announcing.remind_due(clock.now()) == 0
    soon = clock.now() + timedelta(minutes=51)
    assert announcing.remind_due(soon) == 1
    assert announcing.remind_due(soon + timedelta(minutes=1)) == 0
    assert told(row) == ["scheduled", "reminder"]


def test_what_begins_at_once_needs_no_reminder(world: World) -> None:
    row = announce(world, timedelta(minutes=5))
    assert announcing.remind_due(clock.now()) == 0
    assert told(row) == ["scheduled"]


def test_another_time_is_told_and_reminded_of_anew(world: World) -> None:
    row = announce(world, timedelta(hours=1))
    announcing.remind_due(clock.now() + timedelta(minutes=51))
    later = clock.now() + timedelta(hours=5)
    announcements.edit(row, wish(later), Actor(world.requester), tell=False)
    row.refresh_from_db()
    assert row.reminded_at is None
    assert announcing.remind_due(later - timedelta(minutes=9)) == 1
    assert told(row) == ["scheduled", "reminder", "postponed", "reminder"]


def test_what_somebody_else_said_meanwhile_is_not_undone(world: World) -> None:
    row = announce(world, timedelta(hours=1))
    stale = Announcement.objects.get(pk=row.pk)
    actor = Actor(world.requester)
    begins = row.starts_at
    assert begins
    announcements.edit(row, wish(begins, "in_progress"), actor, tell=False)
    announcements.edit(row, wish(begins, "verifying"), actor, tell=False)
    told_before = told(row)
    with pytest.raises(Conflict):
        announcements.edit(stale, wish(begins, "in_progress"), actor, tell=False)
    row.refresh_from_db()
    assert row.state == "verifying" and row.ended_at and told(row) == told_before


def test_what_was_called_off_is_not_reminded_of(world: World) -> None:
    row = announce(world, timedelta(hours=1))
    assert row.starts_at is not None
    announcements.edit(row, wish(row.starts_at, "cancelled"), Actor(world.requester), tell=False)
    assert announcing.remind_due(clock.now() + timedelta(minutes=51)) == 0
    assert told(row) == ["scheduled", "cancelled"]


@pytest.fixture
def late(world: World) -> Callable[..., tuple[Deployment, Announcement]]:
    """A run that announced its downtime and has not come to it when that should have begun."""

    def made(status: str, since: timedelta) -> tuple[Deployment, Announcement]:
        deployment = world.draft()
        began = timezone.now() - since
        Deployment.objects.filter(pk=deployment.pk).update(status=status, started_at=began)
        deployment.refresh_from_db()
        return deployment, states.of_run(deployment, "scheduled", None, Actor(world.requester))

    return made


def test_a_late_run_moves_the_planned_time_and_says_so(late: Callable[..., tuple[Deployment, Announcement]]) -> None:
    _deployment, row = late("running", timedelta(minutes=12))
    planned = row.starts_at
    now = clock.now()
    assert announcing.postpone_late(now) == 1
    row.refresh_from_db()
    assert planned is not None and row.starts_at is not None and row.ends_at is not None
    assert abs(row.starts_at - now - timedelta(seconds=60)) < timedelta(seconds=2)  # the step before is still to come
    assert row.ends_at - row.starts_at == timedelta(seconds=60)
    assert told(row) == ["scheduled", "postponed"]
    assert announcing.postpone_late(now) == 0


@pytest.mark.parametrize(("status", "since"), [("waiting", 12), ("running", 8)])
def test_one_that_waits_for_a_person_or_is_a_little_late_does_not(
    late: Callable[..., tuple[Deployment, Announcement]], status: str, since: int
) -> None:
    _deployment, row = late(status, timedelta(minutes=since))
    assert announcing.postpone_late(clock.now()) == 0
    assert told(row) == ["scheduled"]


def test_a_run_that_is_past_its_mark_is_not_late(
    world: World, late: Callable[..., tuple[Deployment, Announcement]]
) -> None:
    deployment, row = late("running", timedelta(minutes=30))
    announcing.opened(deployment.pk, clock.now())
    Step.objects.filter(deployment=deployment).update(status="succeeded")
    assert announcing.postpone_late(clock.now()) == 0
    row.refresh_from_db()
    assert row.state == "in_progress"


def test_a_deployment_announced_by_a_person_takes_the_times_of_its_run(world: World) -> None:
    draft = world.draft()
    starts_at = clock.now() + timedelta(hours=3)
    words = SHIPPED["deploy", "scheduled"]
    row = announcements.announce(
        world.environment, "deploy", wish(starts_at, words=words), Actor(world.requester), draft
    )
    assert row.title_en == "Scheduled maintenance (v2.8.0)"
    Deployment.objects.filter(pk=draft.pk).update(status="running", started_at=clock.now())
    draft.refresh_from_db()
    states.of_run(draft, "scheduled", Words("점검합니다", "We maintain", "", ""), Actor(world.requester))
    row.refresh_from_db()
    assert row.starts_at is not None and draft.started_at is not None
    assert row.starts_at - draft.started_at == timedelta(seconds=60)
    assert row.title_en == "We maintain"
    assert told(row) == ["scheduled", "postponed"]
    assert row.revisions.count() == 2


def test_saying_the_same_again_tells_nobody(world: World) -> None:
    row = announce(world, timedelta(hours=1))
    assert row.starts_at is not None
    assert announcements.edit(row, wish(row.starts_at), Actor(world.requester), tell=True) is False
    assert told(row) == ["scheduled"]
    changed = wish(row.starts_at, words=WORDS._replace(body_en="more"))
    assert announcements.edit(row, changed, Actor(world.requester), tell=False) is True
    assert told(row) == ["scheduled"]
    changed = wish(row.starts_at, words=WORDS._replace(body_en="still more"))
    announcements.edit(row, changed, Actor(world.requester), tell=True)
    assert told(row) == ["scheduled", "edited"]
    assert row.revisions.count() == 3


def test_an_incident_of_a_person_keeps_its_times_and_follows_the_words_of_its_kind(world: World) -> None:
    shipped = SHIPPED["incident", "in_progress"]
    row = announcements.announce(
        world.environment, "incident", Wish("in_progress", shipped, None, None, ()), Actor(world.requester)
    )
    assert (row.follows_wording, row.title_en) == (True, "Moyeobab: disruption")
    assert row.began_at is not None
    as_it_is = Words.of(row)
    announcements.edit(row, Wish("done", as_it_is, None, None, ()), Actor(world.requester), tell=False)
    row.refresh_from_db()
    assert (row.state, row.title_en) == ("done", "Moyeobab: disruption solved")
    assert row.ended_at is not None and row.ended_at >= row.began_at
    assert told(row) == ["in_progress", "done"]
