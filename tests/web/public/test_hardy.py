"""One bad text or one bad project does not keep public pages from being written."""

import xml.etree.ElementTree as ET

import pytest
from django.test import Client

from releases.models import Announcement, Project
from releases.public import publish, shelf
from tests.factories import World, make_world
from tests.web.notices import announced


@pytest.fixture
def world(db: None, data_dir: object) -> World:
    return make_world()


def test_a_control_character_does_not_break_the_feed(world: World) -> None:
    row = announced(world)
    Announcement.objects.filter(pk=row.pk).update(title_en="Up\x08keep", body_en="a\x0bb")
    publish.page(world.project.slug)
    feed = shelf.read_file(world.project.slug, "en.atom.xml")
    assert "Upkeep" in feed.decode()
    ET.fromstring(feed)
    assert Client(HTTP_HOST="localhost").get(f"/announcements/{world.project.slug}/feed.atom").status_code != 500


def test_a_project_that_fails_holds_up_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Project.objects.create(name="Other", slug="zz", public_page=True)
    written: list[str] = []

    def page(slug: str) -> None:
        if slug == world.project.slug:
            raise ValueError
        written.append(slug)

    monkeypatch.setattr(publish, "page", page)
    publish.every_page()
    assert written == ["zz"]
