"""Two people save the same page in the same moment, really: one is first, the other one is told and loses nothing."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from releases.audit import Actor
from releases.engine import wiki
from releases.engine.errors import EngineError
from releases.models import AuditEvent, WikiPage
from tests.factories import make_world
from tests.web.wiki import write_page


@pytest.mark.django_db(transaction=True)
def test_one_of_two_writers_is_first() -> None:
    world = make_world()
    page = write_page(world, body="before")
    together = Barrier(4)

    def save(number: int) -> str:
        try:
            together.wait(timeout=30)
            texts = {"title_en": page.title_en, "body_en": f"text {number}"}
            wiki.save_page(page, texts, "page", 1, "", Actor(world.requester))
            return "saved"
        except wiki.EditConflict as conflict:
            return conflict.newest.body_en
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(save, range(4)))
    page.refresh_from_db()
    assert sorted(answers) == sorted(["saved", *[page.body_en] * 3])
    assert page.number == page.revisions.count() == 2
    assert AuditEvent.objects.filter(action="wiki.save").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_moves_at_once_never_put_two_pages_below_each_other() -> None:
    world = make_world()
    pages = [write_page(world, "One"), write_page(world, "Two")]
    together = Barrier(2)

    def move(place: int) -> str:
        try:
            together.wait(timeout=30)
            page, above = pages[place], pages[1 - place]
            wiki.move_page(page, page.slug, above, 0, Actor(world.requester))
            return "moved"
        except EngineError:
            return "refused"
        finally:
            connection.close()

    for _round in range(5):
        WikiPage.objects.update(parent=None)
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(move, range(2))) == ["moved", "refused"]
        assert WikiPage.objects.filter(parent=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_new_pages_of_one_name_at_once_both_come_to_be() -> None:
    world = make_world()
    together = Barrier(3)

    def write(_number: int) -> str:
        try:
            together.wait(timeout=30)
            return write_page(world, "On call").slug
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(write, range(3))) == ["on-call", "on-call-2", "on-call-3"]
