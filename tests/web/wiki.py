"""Rows of the wiki for tests."""

from typing import Any

from releases.audit import Actor
from releases.engine import wiki as verbs
from releases.models import WikiPage
from releases.wiki import importing, seed
from tests.factories import World

SLUG = "contacts"


def write_page(world: World, title: str = "Contacts", body: str = "Call them.", **more: Any) -> WikiPage:
    """A page in English."""
    texts = {
        "title_en": title,
        "body_en": body,
        "title_ko": more.get("title_ko", ""),
        "body_ko": more.get("body_ko", ""),
    }
    who = Actor(world.requester)
    return verbs.create_page(world.project, texts, more.get("slug", ""), more.get("parent"), "page", who)


def import_seed(world: World) -> list[WikiPage]:
    """The team's first document as pages."""
    made, _there = verbs.import_pages(
        world.project, importing.split(seed.document(), seed.english()), Actor(world.requester)
    )
    return made


def rows_of_wiki(world: World) -> dict[str, int]:
    """A page for each first word of an address; its short name is `SLUG`."""
    return {"wiki": write_page(world, slug=SLUG).pk}
