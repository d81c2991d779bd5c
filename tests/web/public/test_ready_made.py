"""The files that a proxy hands out while Cloud Wiki is away: all that pages link to, and of when they are."""

import os
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from releases.models import Announcement, Project
from releases.public import assets, publish, shelf
from tests.factories import World, make_world
from tests.web.public.rows import announce, probe

LATE = "the dashboard itself does not answer right now"


@pytest.fixture
def world(db: None, data_dir: object) -> World:
    return make_world()


def names(slug: str) -> set[str]:
    return {path.name for path in (shelf.folder() / slug).iterdir()}


def text(slug: str, name: str) -> str:
    return shelf.read_file(slug, name).decode()


def test_each_says_of_which_day_it_is(world: World) -> None:
    probe(world)
    publish.page(world.project.slug)
    page, badge = text(world.project.slug, "en.html"), text(world.project.slug, "en.badge.svg")
    day = re.search(r"As of (\w{3} \d{1,2} \w{3}, \d\d:\d\d) \(.*?\); " + LATE, page)
    assert day
    assert f"as of {day[1]}" in badge
    assert '"late": true' in text(world.project.slug, "status.json")
    assert "지금 대시보드 자체가 응답하지 않습니다" in text(world.project.slug, "ko.html")


def test_announcements_that_pages_link_to_are_there_and_leave_with_them(world: World) -> None:
    now, slug = timezone.now(), world.project.slug
    over = announce(world, "done", starts_at=now - timedelta(days=2))
    soon = announce(world, "scheduled", starts_at=now + timedelta(days=1))
    publish.page(slug)
    for row in (over, soon):
        for language in ("ko", "en"):
            assert f"/announcements/{slug}/{row.pk}/" in text(slug, f"{language}.html")
            assert row.title_en in text(slug, f"en.{row.pk}.html")
    Announcement.objects.filter(pk=over.pk).update(created_at=now - timedelta(days=200))
    publish.page(slug)
    assert f"en.{over.pk}.html" not in names(slug)
    assert {f"en.{soon.pk}.html", "en.html", "en.embed.html"} <= names(slug)


def test_the_list_of_projects_follows_them(world: World) -> None:
    publish.every_page()
    assert f"/announcements/{world.project.slug}/" in text("", "en.index.html")
    Project.objects.update(public_page=False)
    publish.every_page()
    assert world.project.slug not in text("", "en.index.html")
    assert "공지가 없습니다." in text("", "ko.index.html")


@pytest.fixture
def collected(world: World, settings: LazySettings, tmp_path: Path) -> Path:
    """A folder as `collectstatic` fills it."""
    settings.STATIC_ROOT = tmp_path / "static"
    for name, content in {
        "css/a.1.css": 'p { src: url("../font.2.woff2") } i { background: url(data:x) }',
        "font.2.woff2": "font",
        "js/b.3.js": "code",
        "not-linked.css": "",
    }.items():
        path = settings.STATIC_ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return shelf.folder() / assets.FOLDER / "static"


PAGE = b'<link href="/static/css/a.1.css"><script src="/static/js/b.3.js"></script><a href="/static/../x">'


def kept(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_what_a_page_links_to_lies_beside_it_with_what_that_needs(collected: Path) -> None:
    assets.keep([PAGE])
    assert kept(collected) == {"css/a.1.css", "font.2.woff2", "js/b.3.js"}
    assert (collected / "font.2.woff2").stat().st_mode & 0o777 == 0o644


def test_files_of_an_older_version_stay_for_a_day(collected: Path) -> None:
    assets.keep([PAGE])
    for name, hours in (("older.css", 25), ("old.css", 23), ("font.2.woff2", 25)):
        path = collected / name
        path.write_text("font" if "font" in name else "")
        os.utime(path, (time.time() - hours * 3600,) * 2)
    assets.keep([PAGE])
    assert kept(collected) == {"css/a.1.css", "font.2.woff2", "js/b.3.js", "old.css"}
