"""Announcements, their words and the wiki are read for secrets, too, before they are saved and where they lie."""

import pytest
from django.test import Client

from releases.audit import Actor
from releases.engine import wiki, wordings
from releases.models import Announcement, WikiPage, Wording
from releases.notices.shipped import Words
from releases.risks import stored_secrets
from tests.factories import World
from tests.web.test_secret_fields import SECRET, TEXT, assert_on_record, insisted, person  # noqa: F401 - a fixture

TEXTS = {"title_ko": "점검", "title_en": "Upkeep", "body_ko": "본문", "body_en": TEXT}
TICKED = {"not_a_secret": "on"}


def refused(client: Client, path: str, form: dict[str, object], field: str = "body_en") -> None:
    answer = client.post(path, form)
    assert answer.status_code == 400 and field in answer.context["form"].errors
    assert b'name="not_a_secret"' in answer.content
    assert insisted() == []


def test_an_announcement(world: World, person: Client) -> None:  # noqa: F811
    path = f"/notices/new?environment={world.environment.pk}&kind=incident"
    form = {**TEXTS, "state": "in_progress"}
    refused(person, path, form)
    assert not Announcement.objects.exists()
    assert person.post(path, form | TICKED).status_code == 302
    assert_on_record()
    row = Announcement.objects.get()
    form = {**TEXTS, "state": "in_progress", "body_ko": "--password=other-one-9"}
    answer = person.post(f"/notices/{row.pk}/edit", form)
    assert answer.status_code == 400 and "body_ko" in answer.context["form"].errors


def test_words_of_announcements(world: World, person: Client) -> None:  # noqa: F811
    path = f"/projects/{world.project.pk}/wordings/edit?kind=deploy&stage=done"
    refused(person, path, TEXTS)
    assert not Wording.objects.exists()
    assert person.post(path, TEXTS | TICKED).status_code == 302
    assert_on_record()


def test_a_page_of_the_wiki(world: World, person: Client) -> None:  # noqa: F811
    form = {**TEXTS, "project": world.project.pk, "kind": "page", "slug": "upkeep"}
    refused(person, "/wiki/new", form)
    assert not WikiPage.objects.exists()
    assert person.post("/wiki/new", form | TICKED).status_code == 302
    assert_on_record()
    row = WikiPage.objects.get()
    form = {**TEXTS, "kind": "page", "base": 1, "body_en": "", "note": "--password=other-one-9"}
    answer = person.post(f"/wiki/{row.pk}/edit", form)
    assert answer.status_code == 400 and "note" in answer.context["form"].errors


def test_a_document(world: World, person: Client) -> None:  # noqa: F811
    form = {"project": world.project.pk, "text": f"# Secrets\n\n{TEXT}\n"}
    refused(person, "/wiki/import", form, "text")
    shown = person.post("/wiki/import", form | TICKED)
    assert b'name="not_a_secret" value="on"' in shown.content  # the next press says it, too
    assert insisted() == [] and not WikiPage.objects.exists()
    assert person.post("/wiki/import", form | TICKED | {"make": "1"}).status_code == 302
    assert_on_record()


@pytest.mark.parametrize("where", ["wiki", "words"])
def test_the_check_reads_what_lies_there(world: World, where: str) -> None:
    before = list(stored_secrets.texts(world.project))
    assert not [text for _where, text in before if SECRET in text]
    if where == "wiki":
        wiki.create_page(world.project, TEXTS, "upkeep", None, "page", Actor())
    else:
        wordings.save(world.project, "deploy", "done", Words("점검", "Upkeep", "본문", TEXT), Actor())
    assert [text for _where, text in stored_secrets.texts(world.project) if SECRET in text]
