"""The language of a person: chosen, kept, theirs on any machine; before that, what their browser asks for."""

import pytest
from django.test import Client

from releases.models import AuditEvent
from tests.factories import World


@pytest.fixture
def client(world: World) -> Client:
    made = Client(HTTP_HOST="localhost")
    made.force_login(world.requester)
    return made


def language(answer) -> str:
    return answer.content.decode().split('lang="')[1][:2]


@pytest.mark.parametrize(
    ("asked", "shown"), [("en-GB,en;q=0.8", "en"), ("ko-KR", "ko"), ("fr, en;q=0.5", "en"), ("fr", "ko"), ("", "ko")]
)
def test_a_stranger_is_shown_what_their_browser_asks_for(db: None, asked: str, shown: str) -> None:
    anonymous = Client(HTTP_HOST="localhost", HTTP_ACCEPT_LANGUAGE=asked)
    assert language(anonymous.get("/login/")) == shown


def test_the_switch_is_remembered_for_the_person(client: Client, world: World) -> None:
    client.post("/i18n/setlang/", {"language": "en", "next": "/"})
    world.requester.refresh_from_db()
    assert (world.requester.language, world.requester.language_chosen_at is not None) == ("en", True)
    elsewhere = Client(HTTP_HOST="localhost", HTTP_ACCEPT_LANGUAGE="ko")
    elsewhere.cookies.load({"django_language": "ko"})
    elsewhere.post("/login/", {"username": world.requester.username, "password": "a-long-password"})
    assert language(elsewhere.get("/")) == "en"
    client.post("/i18n/setlang/", {"language": "en", "next": "/"})
    assert AuditEvent.objects.filter(action="user.change").count() == 1


def test_a_language_that_is_none_changes_nothing(client: Client, world: World) -> None:
    client.post("/i18n/setlang/", {"language": "xx", "next": "/"})
    world.requester.refresh_from_db()
    assert world.requester.language_chosen_at is None


def test_name_and_language_are_set_on_ones_own_page(client: Client, world: World) -> None:
    answer = client.post("/me/", {"display_name": " 민준 ", "language": "en"})
    assert answer.status_code == 302
    world.requester.refresh_from_db()
    assert (world.requester.display_name, world.requester.language) == ("민준", "en")
    assert language(client.get("/me/")) == "en"
    wrong = client.post("/me/", {"display_name": "x" * 81, "language": "fr"})
    assert wrong.status_code == 400
    world.requester.refresh_from_db()
    assert world.requester.display_name == "민준"


def test_a_stranger_has_no_settings(db: None) -> None:
    assert Client(HTTP_HOST="localhost").get("/me/")["Location"].startswith("/login/")


def test_a_stranger_may_switch_too(db: None) -> None:
    anonymous = Client(HTTP_HOST="localhost")
    anonymous.post("/i18n/setlang/", {"language": "en", "next": "/login/"})
    assert language(anonymous.get("/login/")) == "en"
