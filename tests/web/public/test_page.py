"""The public page: what it says, to whom, in which language, and what it keeps to itself."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.models import Announcement, Coverage, Environment, Heartbeat, Outage, Probe, ProbeResult, Service
from releases.public import coverage, current
from tests.factories import World
from tests.web.public.rows import announce, outage, probe, reword

MINUTE = timedelta(minutes=1)
NAMES = ("", "embed/", "banner/", "badge.svg", "feed.atom", "feed.json", "calendar.ics", "status.json")


def get(world: World, path: str = "", language: str = "en", **headers: str) -> Any:
    """The answer to somebody unknown, as if nothing had been asked before."""
    current.forget()
    current.expire(world.project.slug)
    client = Client(HTTP_HOST="localhost", headers={"Accept-Language": language} | headers)
    return client.get(f"/announcements/{world.project.slug}/{path}")


def main(world: World, path: str = "", language: str = "en") -> str:
    html = get(world, path, language).content.decode()
    return str(html.split("<main")[1].split("</main>")[0])


def headline(world: World, language: str = "en") -> str:
    found = re.search(r"<h1>(.*?)</h1>", main(world, language=language))
    assert found
    return found[1]


class TestAnswer:
    def test_all_work(self, world: World) -> None:
        probe(world)
        assert headline(world) == "All services work"
        assert headline(world, "ko") == "모든 서비스가 정상입니다"

    def test_one_does_not_answer(self, world: World) -> None:
        probe(world, "frontend")
        outage(probe(world, ok=False), timezone.now() - MINUTE, None)
        assert headline(world) == "No answer: Backend"

    def test_none_answers(self, world: World) -> None:
        outage(probe(world, ok=False), timezone.now() - MINUTE, None)
        assert headline(world) == "No service answers"

    def test_a_planned_outage_is_maintenance(self, world: World) -> None:
        outage(probe(world, ok=False), timezone.now() - MINUTE, None, planned=True)
        assert headline(world) == "Under maintenance: Backend"

    def test_an_outage_during_announced_work_is_maintenance(self, world: World) -> None:
        found = probe(world, ok=False)
        announce(world, "in_progress", began_at=timezone.now() - MINUTE)
        outage(found, timezone.now(), None)
        assert headline(world) == "Under maintenance: Backend"

    def test_work_on_another_service_explains_nothing(self, world: World) -> None:
        found = probe(world, ok=False)
        other = Service.objects.create(project=world.project, key="front", name="Front", kind="frontend")
        announce(world, "in_progress", began_at=timezone.now() - MINUTE).services.add(other)
        outage(found, timezone.now(), None)
        assert headline(world) == "No answer: Backend"

    def test_an_open_incident_is_told_while_services_answer(self, world: World) -> None:
        probe(world)
        row = announce(world, "in_progress", kind="incident")
        assert headline(world) == "An incident is being handled"
        reword(row, state="done")
        assert headline(world) == "All services work"

    @pytest.mark.parametrize("how", ["old answer", "no heartbeat", "switched off", "unmeasured", "no probe"])
    def test_what_is_not_measured_is_not_green(self, world: World, how: str) -> None:
        found = probe(world)
        if how == "old answer":
            ProbeResult.objects.update(at=timezone.now() - 5 * MINUTE)
        elif how == "no heartbeat":
            Heartbeat.objects.update(at=timezone.now() - MINUTE)
        elif how == "switched off":
            Probe.objects.update(enabled=False)
        elif how == "unmeasured":
            Heartbeat.objects.update(detail={"unmeasured": {str(found.pk): "refused"}})
        else:
            found.delete()
        assert headline(world) == "Nothing is measured at the moment"
        assert "s-succeeded" not in main(world).split('aria-labelledby="past-title"')[0].split("legend")[0]

    def test_a_service_without_a_probe_is_named_but_not_counted(self, world: World) -> None:
        probe(world)
        Service.objects.create(project=world.project, key="db", name="Database", kind="database")
        assert headline(world) == "Every measured service works"
        assert "Database" in main(world)


class TestAnnouncements:
    def test_planned_and_real_times_and_services_are_apart(self, world: World) -> None:
        start = timezone.now().replace(year=2026, month=11, day=25, hour=17, minute=0, second=0, microsecond=0)
        row = announce(world, "in_progress", starts_at=start, ends_at=start + 38 * MINUTE, began_at=start + 5 * MINUTE)
        row.services.add(world.project.services.get(key="backend"))
        said = re.sub(r"<[^>]+>", " ", main(world))
        said = re.sub(r"\s+", " ", said)
        assert "Planned Thu 26 Nov, 02:00 – 02:38 (KST, Asia/Seoul)" in said.replace(" 2026", "")
        assert "As it was Thu 26 Nov, 02:05 – (not over yet)" in said.replace(" 2026", "")
        assert "Services concerned Backend" in said

    def test_the_stage_that_is_reached_is_marked(self, world: World) -> None:
        row = announce(world)
        for state, word in (("scheduled", "Scheduled"), ("in_progress", "In progress"), ("verifying", "Verifying")):
            reword(row, state=state)
            assert f'aria-current="step">{word}<' in main(world)

    def test_markdown_is_shown_and_what_is_dangerous_is_not(self, world: World) -> None:
        evil = "<script>alert(1)</script> [x](javascript:alert(1)) ![p](https://evil.example/p.png) **bold**"
        announce(world, body_en=evil, title_en="<img src=x onerror=alert(1)>")
        html = main(world)
        assert "<strong>bold</strong>" in html
        assert "<script" not in html
        assert "<img" not in html
        assert 'href="javascript' not in html

    def test_an_incident_has_a_timeline(self, world: World) -> None:
        row = announce(world, "in_progress", kind="incident", title_en="Down", body_en="Looking")
        reword(row, state="verifying", body_en="Mended")
        reword(row, state="done", title_en="Disk full", body_en="Over")
        page = main(world, f"{row.pk}/")
        assert page.index("Over") < page.index("Mended") < page.index("Looking")
        assert "Resolved" in page
        assert "Disk full" in main(world)

    def test_the_past_is_grouped_by_day_in_the_zone_of_its_environment(self, world: World) -> None:
        moment = timezone.now().replace(hour=16, minute=30) - timedelta(days=10)  # after midnight in Seoul
        announce(world, "done", began_at=moment, ended_at=moment + 8 * MINUTE)
        announce(world, "cancelled", starts_at=moment + 20 * MINUTE)
        past = main(world).split('id="past-title"')[1]
        local = (moment + timedelta(hours=9)).strftime("%a %-d %b")
        assert past.count("<h3>") == 1
        assert f"<h3>{local}" in past
        assert "01:30 – 01:38 (8 minutes)" in past

    def test_unplanned_outages_at_the_same_time_are_one_entry(self, world: World) -> None:
        began = timezone.now() - timedelta(days=3)
        for key in ("backend", "frontend"):
            outage(probe(world, key), began, began + 2 * MINUTE)
        outage(Probe.objects.get(service__key="backend"), began + 9 * MINUTE, began + 10 * MINUTE, planned=True)
        past = main(world).split('id="past-title"')[1]
        assert past.count("No answer: ") == 1
        assert "No answer: Backend, Frontend" in past

    def test_an_incident_tells_of_its_outage_itself(self, world: World) -> None:
        began = timezone.now() - timedelta(days=3)
        outage(probe(world), began, began + 2 * MINUTE)
        announce(world, "done", kind="incident", began_at=began, ended_at=began + 2 * MINUTE)
        assert "No answer: " not in main(world).split('id="past-title"')[1]

    def test_old_announcements_have_an_address_and_no_place_on_the_page(self, world: World) -> None:
        row = announce(world, "done", title_en="Long ago")
        Announcement.objects.update(created_at=timezone.now() - timedelta(days=200))
        assert "Long ago" not in main(world)
        assert "Long ago" in main(world, f"{row.pk}/")


class TestDays:
    def test_bars_and_table_tell_the_same(self, world: World) -> None:
        found = probe(world, days=30)
        moment = timezone.now() - timedelta(days=5)
        outage(found, moment, moment + 9 * MINUTE)
        html = main(world)
        bars = re.findall(r'<rect class="(up|pl|dn|no)" x=', html)
        assert (len(bars), bars.count("dn")) == (90, 1)
        assert bars.count("no") in {59, 60}
        assert "no answer for 9 minutes" in html.split("<tbody>")[1]
        assert "not measured" in html.split("<tbody>")[1]
        assert "1 day with an outage" in html

    def test_announced_maintenance_by_hand_is_planned_if_it_was_announced_before(self, world: World) -> None:
        found = probe(world)
        began = timezone.now() - timedelta(days=5)
        outage(found, began, began + 9 * MINUTE)
        row = announce(world, "done", began_at=began - MINUTE, ended_at=began + 10 * MINUTE)
        assert 'class="dn"' in main(world).split("legend")[0]  # told afterwards
        Announcement.objects.filter(pk=row.pk).update(created_at=began - timedelta(hours=8))
        assert 'class="dn"' not in main(world).split("legend")[0]
        assert 'class="pl"' in main(world).split("legend")[0]
        assert "100.00%" in main(world)

    def test_answers_become_stretches(self, world: World) -> None:
        found = probe(world, ok=None)
        Coverage.objects.all().delete()
        begin = timezone.now() - timedelta(hours=5)
        for minute in (0, 0.5, 1, 30, 30.5):
            ProbeResult.objects.create(probe=found, at=begin + minute * MINUTE, ok=True, milliseconds=1)
        coverage.extend()
        ProbeResult.objects.create(probe=found, at=begin + 31 * MINUTE, ok=True, milliseconds=1)
        coverage.extend()
        coverage.extend()
        kept = Coverage.objects.order_by("began_at").values_list("began_at", "ended_at")
        assert list(kept) == [(begin, begin + MINUTE), (begin + 30 * MINUTE, begin + 31 * MINUTE)]


class TestLanguage:
    def test_the_header_and_the_switch(self, world: World) -> None:
        probe(world)
        korean, english = get(world, language="ko"), get(world, language="en-US,en;q=0.9")
        assert (korean["Content-Language"], english["Content-Language"]) == ("ko", "en")
        assert '<html lang="ko">' in korean.content.decode()
        assert "?lang=en" in korean.content.decode().split("<main")[0]
        chosen = get(world, "?lang=en", language="ko")
        assert chosen["Content-Language"] == "en"
        assert chosen.content.decode().count("?lang=ko") >= 2  # the switch, and the alternate link

    def test_a_cookie_of_the_dashboard_changes_nothing(self, world: World) -> None:
        assert get(world, language="ko", Cookie="django_language=en")["Content-Language"] == "ko"

    @pytest.mark.usefixtures("_slow_clock")
    def test_people_who_are_logged_in_see_the_same_bytes(self, world: World) -> None:
        probe(world)
        seen = get(world).content
        known = Client(HTTP_HOST="localhost", headers={"Accept-Language": "en"})
        known.force_login(world.requester)
        assert known.get(f"/announcements/{world.project.slug}/").content == seen


@pytest.fixture
def _slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state stays fresh for as long as the test takes, on a busy machine too."""
    monkeypatch.setattr(current, "FRESH", timedelta(hours=1))


@pytest.mark.usefixtures("_slow_clock")
class TestCaching:
    @pytest.mark.parametrize("name", NAMES)
    def test_an_answer_may_be_kept_by_anybody(self, world: World, name: str) -> None:
        answer = get(world, name)
        assert answer.status_code == 200
        assert answer["Cache-Control"].startswith("public, max-age=5, stale-while-revalidate=30")
        assert "Cookie" not in answer["Vary"]
        assert "Accept-Language" in answer["Vary"]
        assert not answer.cookies
        client = Client(HTTP_HOST="localhost", headers={"Accept-Language": "en", "If-None-Match": answer["ETag"]})
        again = client.get(f"/announcements/{world.project.slug}/{name}")
        assert (again.status_code, again.content) == (304, b"")

    def test_what_changes_has_another_tag(self, world: World) -> None:
        before = get(world)["ETag"]
        announce(world)
        assert get(world)["ETag"] != before

    def test_a_visitor_soon_after_another_asks_the_database_nothing(self, world: World) -> None:
        probe(world)
        get(world)
        with CaptureQueriesContext(connection) as asked:
            for name in NAMES:
                assert (
                    Client(HTTP_HOST="localhost").get(f"/announcements/{world.project.slug}/{name}").status_code == 200
                )
        assert len(asked) == 0

    def test_no_session_and_no_person_is_looked_up(self, world: World) -> None:
        client = Client(HTTP_HOST="localhost")
        client.force_login(world.requester)
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/announcements/{world.project.slug}/")
        assert asked
        assert not [query for query in asked if "django_session" in query["sql"] or "releases_user" in query["sql"]]

    def test_other_processes_read_what_one_wrote(self, world: World) -> None:
        probe(world)
        get(world)
        current.forget()
        with CaptureQueriesContext(connection) as asked:
            client = Client(HTTP_HOST="localhost")
            assert client.get(f"/announcements/{world.project.slug}/").status_code == 200
        assert len(asked) == 0


class TestNothingInnerLeaks:
    @pytest.mark.parametrize("name", NAMES)
    def test_no_machine_person_or_commit(self, world: World, name: str) -> None:
        found = probe(world, ok=False)
        outage(found, timezone.now() - MINUTE, None)
        announce(world, created_by=world.requester, deployment=world.draft())
        said = get(world, name).content.decode()
        for word in ("prod-1", "127.0.0.1", "10.20.30.40", ":8080", "김민준", "minjun", "echo", "a41f9c2", "refused"):
            assert word not in said, word

    def test_staging_does_not_show(self, world: World) -> None:
        staging = Environment.objects.create(project=world.project, key="staging", name="스테이징")
        row = announce(world, title_en="Only inside")
        Announcement.objects.update(environment=staging)
        assert "Only inside" not in main(world)
        assert get(world, f"{row.pk}/").status_code == 404

    def test_a_page_that_is_switched_off_is_not_there(self, world: World) -> None:
        row = announce(world)
        assert get(world).status_code == 200
        world.project.public_page = False
        world.project.save()
        current.expire(world.project.slug)
        for name in (*NAMES, f"{row.pk}/"):
            assert get_at_once(world, name) == 404, name
        assert world.project.slug not in Client(HTTP_HOST="localhost").get("/announcements/").content.decode()

    def test_other_projects_announcements_are_not_under_this_address(self, world: World) -> None:
        row = announce(world)
        assert Client(HTTP_HOST="localhost").get(f"/announcements/nowhere/{row.pk}/").status_code == 404
        assert get(world, f"{row.pk + 1}/").status_code == 404


def get_at_once(world: World, name: str) -> int:
    return Client(HTTP_HOST="localhost").get(f"/announcements/{world.project.slug}/{name}").status_code


def grow(world: World, count: int) -> None:
    """More of everything that the page shows."""
    now = timezone.now()
    for number in range(count):
        found = probe(world, f"s{count}-{number}")
        moment = now - timedelta(days=number % 80, hours=2)
        outage(found, moment, moment + MINUTE)
        row = announce(world, "done" if number % 2 else "scheduled", began_at=moment, ended_at=moment + MINUTE)
        row.services.add(found.service)
        reword(row, title_en=f"Again {number}")
        other = Environment.objects.create(
            project=world.project, key=f"p{count}-{number}", name=f"P{number}", is_production=True
        )
        Probe.objects.create(environment=other, service=found.service, url="http://10.0.0.1/")


@pytest.mark.parametrize("name", ["", "feed.atom", "calendar.ics", "status.json"])
def test_the_number_of_queries_does_not_grow(world: World, name: str) -> None:
    grow(world, 2)
    with CaptureQueriesContext(connection) as few:
        assert get_new(world, name).status_code == 200
    grow(world, 9)
    with CaptureQueriesContext(connection) as many:
        assert get_new(world, name).status_code == 200
    assert 0 < len(many) <= len(few), "\n".join(query["sql"][:200] for query in many)


def get_new(world: World, name: str) -> Any:
    current.expire(world.project.slug)
    return Client(HTTP_HOST="localhost").get(f"/announcements/{world.project.slug}/{name}")


def test_posts_are_refused(world: World) -> None:
    for name in NAMES:
        assert Client(HTTP_HOST="localhost").post(f"/announcements/{world.project.slug}/{name}").status_code == 405
    assert Outage.objects.count() == 0
