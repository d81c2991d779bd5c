"""Feeds, calendar, badge, banner and JSON, read by the libraries that others read them with."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import feedparser
import pytest
from django.test import Client
from django.utils import timezone
from icalendar import Calendar, Event

from releases.models import Announcement
from tests.factories import World
from tests.web.public.rows import announce, outage, probe, reword
from tests.web.public.test_page import get

MINUTE = timedelta(minutes=1)


def atom(world: World, language: str = "en") -> Any:
    return feedparser.parse(get(world, "feed.atom", language).content)


def events(world: World) -> list[Event]:
    return list(Calendar.from_ical(get(world, "calendar.ics").content).walk("VEVENT"))  # type: ignore[arg-type]


class TestAtom:
    def test_it_is_a_feed(self, world: World) -> None:
        announce(world, starts_at=timezone.now() + MINUTE, ends_at=timezone.now() + 9 * MINUTE)
        feed = atom(world)
        assert not feed.bozo
        assert feed.version == "atom10"
        assert feed.feed.language == "en"
        assert feed.feed.title == "Moyeobab: announcements"
        assert uuid.UUID(feed.feed.id.removeprefix("urn:uuid:"))
        (entry,) = feed.entries
        assert entry.title == "[Scheduled] Maintenance"
        assert "<strong>Body</strong>" in entry.summary
        assert "Planned: " in entry.summary
        assert Client(HTTP_HOST="localhost").get(entry.link.removeprefix("http://localhost")).status_code == 200

    def test_a_revision_is_an_update_of_the_same_entry(self, world: World) -> None:
        row = announce(world)
        before = atom(world).entries[0]
        Announcement.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=3))
        row.refresh_from_db()
        reword(row, state="in_progress", title_en="It began")
        (after,) = atom(world).entries
        assert after.id == before.id
        assert after.title == "[In progress] It began"
        assert after.updated_parsed >= before.updated_parsed
        assert after.published_parsed < after.updated_parsed

    def test_each_language_has_its_own(self, world: World) -> None:
        announce(world)
        assert atom(world, "ko").entries[0].title == "[예정됨] 점검 안내"

    def test_two_announcements_have_two_identifiers_and_the_newest_change_goes_first(self, world: World) -> None:
        first, second = announce(world, title_en="First"), announce(world, title_en="Second")
        assert [entry.title for entry in atom(world).entries] == ["[Scheduled] Second", "[Scheduled] First"]
        reword(first, state="done")
        found = atom(world).entries
        assert [entry.title for entry in found] == ["[Done] First", "[Scheduled] Second"]
        assert len({entry.id for entry in found}) == 2
        assert second.pk != first.pk


class TestJsonFeed:
    def test_it_has_what_the_standard_wants(self, world: World) -> None:
        announce(world)
        answer = get(world, "feed.json")
        feed = json.loads(answer.content)
        assert answer["Content-Type"].startswith("application/feed+json")
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        assert feed["home_page_url"].endswith(f"/announcements/{world.project.slug}/")
        assert feed["feed_url"].endswith("/feed.json")
        (item,) = feed["items"]
        assert item["id"] == atom(world).entries[0].id
        assert datetime.fromisoformat(item["date_modified"]).tzinfo
        assert "<strong>Body</strong>" in item["content_html"]
        assert item["_cloud_wiki"]["state"] == "scheduled"


class TestCalendar:
    def test_planned_work_is_an_event_in_utc(self, world: World) -> None:
        start = timezone.now().replace(microsecond=0) + timedelta(days=2)
        row = announce(world, starts_at=start, ends_at=start + 38 * MINUTE)
        answer = get(world, "calendar.ics")
        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        assert b"\r\n" in answer.content
        calendar = Calendar.from_ical(answer.content)
        assert (calendar["VERSION"], calendar["METHOD"]) == ("2.0", "PUBLISH")
        (event,) = events(world)
        assert (event.start, event.end) == (start, start + 38 * MINUTE)
        assert event["DTSTART"].dt.tzinfo in {UTC, event["DTSTART"].dt.tzinfo}
        assert event["DTSTART"].to_ical().endswith(b"Z")
        assert event["STATUS"] == "CONFIRMED"
        assert str(event["SUMMARY"]) == "Moyeobab: Maintenance"
        assert str(event["URL"]).endswith(f"/announcements/{world.project.slug}/{row.pk}/")
        assert event["UID"].endswith("@cloud-wiki")

    def test_a_change_raises_the_sequence_and_keeps_the_identifier(self, world: World) -> None:
        start = timezone.now() + timedelta(days=2)
        row = announce(world, starts_at=start, ends_at=start + 38 * MINUTE)
        Announcement.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(hours=3))
        (before,) = events(world)
        Announcement.objects.filter(pk=row.pk).update(
            starts_at=start + timedelta(hours=1), updated_at=timezone.now() + 5 * MINUTE
        )
        (after,) = events(world)
        assert after["UID"] == before["UID"]
        assert after["SEQUENCE"] > before["SEQUENCE"]
        assert after.start > before.start
        row.refresh_from_db()
        reword(row, state="cancelled")
        (last,) = events(world)
        assert (last["UID"], last["STATUS"]) == (before["UID"], "CANCELLED")

    def test_changes_within_one_second_raise_the_sequence(self, world: World) -> None:
        row = announce(world, starts_at=timezone.now() + MINUTE)
        # So that no second passes between its making and its changes, however slow the machine is.
        Announcement.objects.filter(pk=row.pk).update(created_at=timezone.now() + MINUTE)
        row.refresh_from_db()
        changes = []
        for state in ("in_progress", "verifying", "done"):
            changes.append(events(world)[0]["SEQUENCE"])
            reword(row, state=state)
        changes.append(events(world)[0]["SEQUENCE"])
        assert changes == sorted(set(changes))

    def test_work_that_is_over_has_the_time_it_took(self, world: World) -> None:
        start = timezone.now().replace(microsecond=0) - timedelta(days=2)
        times = {"began_at": start + 5 * MINUTE, "ended_at": start + 13 * MINUTE}
        announce(world, "done", starts_at=start, ends_at=start + 38 * MINUTE, **times)
        (event,) = events(world)
        assert (event.start, event.end) == (times["began_at"], times["ended_at"])

    def test_incidents_and_what_has_no_time_are_left_out(self, world: World) -> None:
        announce(world)
        announce(world, "in_progress", kind="incident", starts_at=timezone.now())
        assert events(world) == []

    def test_texts_cannot_break_out(self, world: World) -> None:
        evil = "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:evil"
        announce(world, starts_at=timezone.now(), title_en=evil, body_en=evil)
        (event,) = events(world)
        assert event["UID"] != "evil"


class TestBadge:
    def test_it_is_a_picture_with_words(self, world: World) -> None:
        outage(probe(world, ok=False), timezone.now() - MINUTE, None)
        answer = get(world, "badge.svg")
        assert answer["Content-Type"] == "image/svg+xml"
        root = ElementTree.fromstring(answer.content)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == "Moyeobab: no answer"

    def test_a_name_is_text_and_nothing_else(self, world: World) -> None:
        world.project.name = '"><script>alert(1)</script>&'
        world.project.save()
        root = ElementTree.fromstring(get(world, "badge.svg", "ko").content)
        assert '"><script>alert(1)</script>&' in root.attrib["aria-label"]
        assert not [one for one in root.iter() if one.tag.endswith("script")]


class TestBanner:
    def test_only_it_may_be_framed(self, world: World) -> None:
        banner, page = get(world, "banner/"), get(world)
        assert "frame-ancestors *" in banner["Content-Security-Policy"]
        assert "script-src 'none'" in banner["Content-Security-Policy"]
        assert "X-Frame-Options" not in banner
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert page["X-Frame-Options"] == "DENY"

    @pytest.mark.parametrize(
        ("hours", "state", "shown"),
        [(2, "scheduled", True), (30, "scheduled", False), (-1, "in_progress", True), (-1, "done", False)],
    )
    def test_it_shows_when_there_is_something(self, world: World, hours: int, state: str, shown: bool) -> None:
        probe(world)
        announce(world, state, starts_at=timezone.now() + timedelta(hours=hours))
        html = get(world, "banner/").content.decode()
        assert ('class="strip' in html) is shown
        assert "<script" not in html

    def test_an_outage_goes_before_planned_work(self, world: World) -> None:
        outage(probe(world, ok=False), timezone.now() - MINUTE, None)
        announce(world, starts_at=timezone.now() + timedelta(hours=2))
        html = get(world, "banner/").content.decode()
        assert "No service answers" in html
        assert "Maintenance" not in html


class TestStatus:
    def test_programs_of_other_sites_read_it(self, world: World) -> None:
        found = probe(world)
        announce(world, starts_at=timezone.now() + timedelta(hours=2)).services.add(found.service)
        answer = get(world, "status.json")
        assert answer["Access-Control-Allow-Origin"] == "*"
        told = json.loads(answer.content)
        assert (told["version"], told["status"], told["late"]) == (1, "up", False)
        assert told["text"] == {"ko": "모든 서비스가 정상입니다", "en": "All services work"}
        (service,) = told["services"]
        assert (service["key"], service["state"], service["uptime_90_days"]) == ("backend", "up", 100.0)
        assert len(service["days"]) == 90
        assert told["current"][0]["title"] == {"ko": "점검 안내", "en": "Maintenance"}

    def test_the_page_itself_is_not_open_to_scripts_of_other_sites(self, world: World) -> None:
        assert "Access-Control-Allow-Origin" not in get(world)


def test_the_page_leads_to_its_feeds(world: World) -> None:
    html = get(world).content.decode()
    for kind in ("application/atom+xml", "application/feed+json", "text/calendar"):
        found = re.search(rf'<link rel="alternate" type="{re.escape(kind)}"[^>]* href="([^"]+)"', html)
        assert found, kind
        assert Client(HTTP_HOST="localhost").get(found[1]).status_code == 200


def test_what_is_to_be_copied_works(world: World) -> None:
    html = get(world, "embed/").content.decode()
    for path in set(re.findall(r"http://localhost(/announcements/[^\"&)?]*)", html)):
        assert Client(HTTP_HOST="localhost").get(path).status_code == 200, path
