"""Two people save the same page in the same moment, really: one is first, the other one is told and loses nothing."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from releases.audit import Actor
from releases.engine import wiki
from releases.models import AuditEvent
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
