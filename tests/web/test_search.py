"""Finding: every kind of row, in Korean pieces and English words, and nothing of other projects."""

import pytest
from django.test import Client

from releases.models import Announcement, Service, Step
from releases.views.search import marked, snippet
from tests.factories import World, make_world, save_version
from tests.web.wiki import write_page


@pytest.fixture
def client(world: World) -> Client:
    made = Client(HTTP_HOST="localhost")
    made.cookies.load({"django_language": "en"})
    made.force_login(world.requester)
    return made


def fill(world: World, word: str) -> None:
    """A row of every kind that holds the word."""
    write_page(world, "On call", f"Ring {word} first.")
    text = world.runbook.versions.get().text.replace("echo one", f"echo {word}")
    save_version(world.runbook, text)
    world.release.notes = f"{word} is better now"
    world.release.save()
    deployment = world.draft()
    type(deployment).objects.filter(pk=deployment.pk).update(error=f"{word} said no")
    first = deployment.steps.order_by("position").first()
    Step.objects.filter(pk=first.pk).update(reason=f"{word} was slow")
    Announcement.objects.create(
        environment=world.environment, title_ko="점검", title_en="Work", body_en=f"about {word}"
    )
    world.host.name = f"{word}-1"
    world.host.save()
    world.environment.name = f"{word} land"
    world.environment.save()
    Service.objects.create(project=world.project, key=word, name=word, kind="ai")


def test_every_kind_of_row_is_found_and_none_of_another_project(client: Client, world: World) -> None:
    fill(world, "kimchi")
    other = make_world()
    fill(other, "kimchi")
    shown = client.get("/search/?q=kimchi").content.decode()
    kinds = (
        "wiki",
        "runbooks",
        "releases",
        "deployments",
        "steps",
        "announcements",
        "hosts",
        "environments",
        "services",
    )
    assert [kind for kind in kinds if f'id="found-{kind}"' not in shown] == []
    assert f"/environments/{world.environment.pk}/" in shown
    assert f"/environments/{other.environment.pk}/" not in shown
    assert f"/projects/{other.project.pk}/" not in shown


def test_a_piece_of_a_korean_word_is_found(client: Client, world: World) -> None:
    write_page(world, "", "", title_ko="롤백 절차", body_ko="이전 버전으로 되돌리는 절차입니다.")
    for asked in ("롤백", "되돌리", "버전 절차", "백"):
        assert "found-wiki" in client.get("/search/", {"q": asked}).content.decode(), asked
    assert "found-wiki" not in client.get("/search/", {"q": "버전 없음"}).content.decode()


def test_english_words_are_found_in_other_forms(client: Client, world: World) -> None:
    write_page(world, "Procedure", "It deployed the services.")
    shown = client.get("/search/", {"q": "deploying service"}).content.decode()
    assert "found-wiki" in shown
    assert "<mark>deploy</mark>ed" in shown


def test_signs_of_the_database_are_only_signs(client: Client, world: World) -> None:
    write_page(world, "Percent", "100 people")
    assert "found-wiki" not in client.get("/search/", {"q": "%"}).content.decode()
    assert "found-wiki" not in client.get("/search/", {"q": "10%"}).content.decode()
    for odd in ("\0", '"', "' OR 1=1 --", "\\", "(((", "& | !", "a" * 500):
        assert client.get("/search/", {"q": odd}).status_code == 200


def test_a_title_stands_before_a_mention(client: Client, world: World) -> None:
    write_page(world, "Rollback", "How to go back.")
    write_page(world, "Something else", "rollback rollback rollback rollback")
    shown = client.get("/search/", {"q": "rollback"}).content.decode()
    assert shown.index("How to go back") < shown.index("Something else")


def test_a_deployment_is_found_by_its_number(client: Client, world: World) -> None:
    deployment = world.draft()
    assert (
        f'href="/deployments/{deployment.pk}/"' in client.get("/search/", {"q": f"#{deployment.pk}"}).content.decode()
    )


def test_an_archived_page_and_an_old_runbook_are_not_found(client: Client, world: World) -> None:
    page = write_page(world, "Gone", "kimchi")
    client.post(f"/wiki/{page.pk}/archive")
    old = world.runbook.versions.get().text
    save_version(world.runbook, old.replace("echo one", "echo kimchi"))
    save_version(world.runbook, old)
    assert "Nothing was found" in client.get("/search/", {"q": "kimchi"}).content.decode()


def test_one_kind_is_paged(client: Client, world: World) -> None:
    for number in range(53):
        write_page(world, f"Page {number}", "kimchi")
    first = client.get("/search/", {"q": "kimchi"}).content.decode()
    assert first.count('class="found"') == 5
    assert "All of this kind" in first
    assert client.get("/search/", {"q": "kimchi", "kind": "wiki"}).content.decode().count('class="found"') == 50
    assert (
        client.get("/search/", {"q": "kimchi", "kind": "wiki", "page": 2}).content.decode().count('class="found"') == 3
    )


def test_queries_do_not_grow_with_rows(client: Client, world: World, django_assert_max_num_queries) -> None:
    fill(world, "kimchi")
    client.get("/search/?q=kimchi")
    with django_assert_max_num_queries(16) as one:
        client.get("/search/?q=kimchi")
    for number in range(8):
        write_page(world, f"Page {number}", "kimchi")
        world.draft()
    with django_assert_max_num_queries(len(one.captured_queries)):
        client.get("/search/?q=kimchi")


@pytest.mark.parametrize(
    ("text", "asked", "html"),
    [
        ("<b>Rollback</b> now", "rollback", "&lt;b&gt;<mark>Rollback</mark>&lt;/b&gt; now"),
        ("배포 절차", "포 절", "배<mark>포</mark> <mark>절</mark>차"),
        ("a & b", "&", "a <mark>&amp;</mark> b"),
        ("plain", '"', "plain"),
    ],
)
def test_what_was_asked_for_is_marked_and_the_rest_escaped(text: str, asked: str, html: str) -> None:
    assert marked(text, asked) == html


def test_a_snippet_is_cut_around_the_find() -> None:
    text = "word " * 100 + "the needle here " + "word " * 100
    found = snippet((text,), "needle")
    assert "<mark>needle</mark>" in found
    assert found.startswith("… ")
    assert found.endswith(" …")
    assert len(found) < 300
