"""Ten thousand of everything: the page stays small, and asks no more."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.models import Announcement, Coverage, Outage
from releases.public import facts
from releases.public.formats import FORMATS
from releases.public.reader import Reader
from releases.public.snapshot import Snapshot
from tests.factories import World
from tests.web.public.rows import probe

MANY = 10_000
READER = Reader("ko", "https://wiki.example.com")


def fill(world: World) -> None:
    """90 days of announcements and outages, one after the other."""
    now = timezone.now()
    found = world.environment.probes.get()
    step = timedelta(days=89) / MANY
    Announcement.objects.bulk_create(
        Announcement(
            environment=world.environment, kind="deploy", state="done", title_ko=f"점검 {n}", title_en=f"Work {n}",
            body_ko="본문", body_en="Body", began_at=now - step * n, ended_at=now - step * n,
        )
        for n in range(MANY)
    )  # fmt: skip
    moments = [now - step * (n + 1) for n in range(MANY)]
    Outage.objects.bulk_create(
        Outage(probe=found, started_at=moment, ended_at=moment + step / 2, planned=n % 3 > 0)
        for n, moment in enumerate(moments)
    )
    Coverage.objects.bulk_create(
        Coverage(probe=found, began_at=moment, ended_at=moment + step / 3) for moment in moments
    )


def asked_of_the_database(world: World) -> tuple[int, Snapshot]:
    with CaptureQueriesContext(connection) as asked:
        snapshot = facts.gather(world.project.slug)
    assert snapshot is not None
    return len(asked), snapshot


def test_many_rows_make_a_small_page_with_as_many_questions(world: World) -> None:
    probe(world)
    few, _snapshot = asked_of_the_database(world)
    fill(world)
    many, snapshot = asked_of_the_database(world)
    # One more each where there is something to join: services and updates of the announcements that are shown.
    assert many <= few + 2
    assert (len(snapshot.past), len(snapshot.episodes)) == (100, 50)
    for name, form in FORMATS.items():
        assert len(form.make(snapshot, READER, False)) < 300_000, name
