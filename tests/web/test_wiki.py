"""The wiki as people use it: written, compared, brought back, moved, put away; nothing is ever lost."""

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import translation

from releases.models import AuditEvent, Membership, WikiPage, WikiRevision
from tests.factories import World, make_user, make_world
from tests.web.wiki import import_seed, write_page

English = {"django_language": "en"}


@pytest.fixture
def client(world: World) -> Client:
    made = Client(HTTP_HOST="localhost")
    made.cookies.load(English)
    made.force_login(world.requester)
    return made


def path_of(page: WikiPage) -> str:
    return f"/projects/{page.project_id}/wiki/{page.slug}/"


def edit(client: Client, page: WikiPage, body: str, base: int, **more: str):
    values = {"title_en": page.title_en, "kind": "page", "body_en": body, "base": str(base), **more}
    return client.post(f"/wiki/{page.pk}/edit", values)


def test_a_page_is_written_and_read(client: Client, world: World) -> None:
    answer = client.post(
        "/wiki/new",
        {"project": world.project.pk, "title_en": "On call", "kind": "on_call", "body_en": "Ring **Minjun**."},
    )
    page = WikiPage.objects.get()
    assert answer["Location"] == path_of(page) == f"/projects/{world.project.pk}/wiki/on-call/"
    shown = client.get(path_of(page)).content.decode()
    assert "Ring <strong>Minjun</strong>." in shown
    assert list(page.revisions.values_list("number", "body_en")) == [(1, "Ring **Minjun**.")]
    event = AuditEvent.objects.get(action="wiki.create")
    assert (event.actor, event.project) == (world.requester, world.project)


def test_a_preview_saves_nothing(client: Client, world: World) -> None:
    page = write_page(world)
    answer = edit(client, page, "A *new* text", 1, preview="1")
    assert "A <em>new</em> text" in answer.content.decode()
    assert page.revisions.count() == 1


def test_a_second_writer_is_refused_and_keeps_both_texts(client: Client, world: World) -> None:
    page = write_page(world, body="one")
    assert edit(client, page, "one, theirs", 1).status_code == 302
    late = edit(client, page, "one, mine", 1)
    shown = late.content.decode()
    assert late.status_code == 409
    assert "one, theirs" in shown
    assert "one, mine" in shown
    assert 'name="base" value="2"' in shown
    page.refresh_from_db()
    assert page.body_en == "one, theirs"
    assert edit(client, page, "both", 2).status_code == 302
    assert list(page.revisions.values_list("body_en", flat=True)) == ["both", "one, theirs", "one"]


def test_the_same_text_is_not_kept_twice(client: Client, world: World) -> None:
    page = write_page(world, body="one")
    assert edit(client, page, "one", 1).status_code == 302
    assert page.revisions.count() == 1
    assert not AuditEvent.objects.filter(action="wiki.save").exists()


def test_two_revisions_are_compared_and_an_old_one_is_brought_back(client: Client, world: World) -> None:
    page = write_page(world, body="first line\nsecond line")
    edit(client, page, "first line\nanother line", 1, note="changed it")
    shown = client.get(f"/wiki/{page.pk}/history?old=1&new=2").content.decode()
    assert "second line" in shown
    assert "another line" in shown
    assert "changed it" in shown
    assert "second line" in client.get(f"/wiki/{page.pk}/history?shown=1").content.decode()
    assert client.post(f"/wiki/{page.pk}/restore", {"revision": "1"}).status_code == 302
    page.refresh_from_db()
    assert (page.number, page.body_en) == (3, "first line\nsecond line")
    assert client.post(f"/wiki/{page.pk}/restore", {"revision": "99"}).status_code == 409
    assert client.post(f"/wiki/{page.pk}/restore", {"revision": "x"}).status_code == 400


def test_a_revision_is_frozen(world: World) -> None:
    page = write_page(world)
    for change in (lambda: page.revisions.update(body_en="x"), lambda: page.revisions.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert WikiRevision.objects.get().body_en == "Call them."


def test_an_old_address_leads_to_the_page(client: Client, world: World) -> None:
    page = write_page(world)
    assert client.post(f"/wiki/{page.pk}/move", {"slug": "people", "position": "0"}).status_code == 302
    answer = client.get(f"/projects/{world.project.pk}/wiki/contacts/")
    assert answer["Location"] == f"/projects/{world.project.pk}/wiki/people/"
    other = write_page(world, "Other")
    refused = client.post(f"/wiki/{other.pk}/move", {"slug": "contacts", "position": "0"})
    assert refused.status_code == 400
    assert "choose another one" in refused.content.decode()
    assert client.post(f"/wiki/{page.pk}/move", {"slug": "contacts", "position": "0"}).status_code == 302
    assert client.get(f"/projects/{world.project.pk}/wiki/contacts/").status_code == 200
    assert client.get(f"/projects/{world.project.pk}/wiki/nothing/").status_code == 404


def test_a_page_never_stands_below_itself(client: Client, world: World) -> None:
    above = write_page(world, "Above")
    below = write_page(world, "Below", parent=above)
    answer = client.post(f"/wiki/{above.pk}/move", {"slug": "above", "parent": below.pk, "position": "0"})
    assert answer.status_code == 400
    above.refresh_from_db()
    assert above.parent is None


def test_an_archived_page_keeps_its_text_and_refuses_edits(client: Client, world: World) -> None:
    above = write_page(world, "Above")
    below = write_page(world, "Below", parent=above)
    assert client.post(f"/wiki/{above.pk}/archive").status_code == 409
    assert client.post(f"/wiki/{below.pk}/archive").status_code == 302
    assert client.get(path_of(below)).status_code == 200
    assert edit(client, below, "new", 1).status_code == 409
    assert "Below" in client.get("/wiki/").content.decode()
    assert client.post(f"/wiki/{below.pk}/unarchive").status_code == 302
    assert edit(client, below, "new", 1).status_code == 302


def test_reading_writing_and_archiving_are_three_rights(world: World) -> None:
    page = write_page(world)
    viewer, operator = make_user("viewer"), make_user("operator")
    Membership.objects.create(project=world.project, user=viewer)
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    found = {}
    for person in (viewer, operator, world.outsider):
        person_client = Client(HTTP_HOST="localhost")
        person_client.force_login(person)
        found[person.username] = (
            person_client.get(path_of(page)).status_code,
            person_client.get(f"/wiki/{page.pk}/edit").status_code,
            person_client.post(f"/wiki/{page.pk}/archive").status_code,
        )
    assert found == {
        "viewer": (200, 403, 403),
        "operator": (200, 200, 403),
        world.outsider.username: (404, 404, 404),
    }


def test_a_viewer_makes_no_page(world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client = Client(HTTP_HOST="localhost")
    client.force_login(viewer)
    answer = client.post("/wiki/new", {"project": world.project.pk, "title_en": "Mine", "kind": "page"})
    assert answer.status_code == 400
    assert not WikiPage.objects.exists()


def test_a_page_in_one_language_says_so(client: Client, world: World) -> None:
    page = write_page(world, "", "", title_ko="용어", body_ko="**런북**")
    shown = client.get(path_of(page)).content.decode()
    assert "This page is only in Korean." in shown
    assert '<div class="prose" lang="ko">' in shown


def test_links_lead_to_pages_by_title_name_and_earlier_name(client: Client, world: World) -> None:
    target = write_page(world, "Contacts")
    client.post(f"/wiki/{target.pk}/move", {"slug": "people", "position": "0"})
    page = write_page(world, "Links", "[[Contacts]] [them](page:people) [[contacts|old]] [[Nowhere]]")
    shown = client.get(path_of(page)).content.decode()
    assert shown.count(f'href="/projects/{world.project.pk}/wiki/people/"') == 3
    assert "Nowhere</span> (no such page)" in shown


def test_a_block_that_nobody_knows_is_named_and_the_page_stands(client: Client, world: World) -> None:
    page = write_page(world, body="before\n\n{{live: moon_phase}}\n\nafter")
    shown = client.get(path_of(page)).content.decode()
    assert "<code>moon_phase</code>" in shown
    assert "<p>after</p>" in shown


def test_a_block_that_fails_is_named_and_the_page_stands(client: Client, world: World) -> None:
    # A zone that no database of zones knows: the row can't be shown.
    from releases.views import blocks

    def broken(_project: object) -> dict[str, object]:
        return {"rows": WikiPage.objects.extra(where=["1/0 = 1"])}  # a database error, in the middle of the page

    name = "broken_for_test"
    blocks.blocks()[name] = blocks.Block(lambda: "Broken", broken, "blocks/deploy_rules.html")
    try:
        page = write_page(world, body=f"before\n\n{{{{live: {name}}}}}\n\nafter")
        shown = client.get(path_of(page)).content.decode()
    finally:
        del blocks.blocks()[name]
    assert "could not be computed" in shown
    assert "<p>after</p>" in shown


def test_queries_do_not_grow_with_pages(client: Client, world: World, django_assert_max_num_queries) -> None:
    page = write_page(world, "First", "[[First]] [[Nowhere]]")
    client.get(path_of(page))
    with django_assert_max_num_queries(20) as one:
        client.get(path_of(page))
        client.get("/wiki/")
    for number in range(30):
        write_page(world, f"Page {number}", parent=page)
    with django_assert_max_num_queries(len(one.captured_queries)):
        client.get(path_of(page))
        client.get("/wiki/")


def test_pages_of_other_projects_are_not_in_the_tree(client: Client, world: World) -> None:
    other = make_world()
    write_page(other, "Secret plans")
    write_page(world, "Ours")
    shown = client.get("/wiki/").content.decode()
    assert "Ours" in shown
    assert "Secret plans" not in shown
    assert "Secret plans" not in client.get(f"/wiki/?project={other.project.pk}").content.decode()


def test_a_document_is_previewed_and_imported(client: Client, world: World) -> None:
    text = "# Handbook\n\nRead it.\n\n## 2.2 Boxes\n\n- [ ] looked\n"
    seen = client.post("/wiki/import", {"project": world.project.pk, "text": text})
    assert "Handbook" in seen.content.decode()
    assert not WikiPage.objects.exists()
    made = client.post("/wiki/import", {"project": world.project.pk, "text": text, "make": "1"})
    assert made.status_code == 302
    assert list(WikiPage.objects.values_list("title_ko", "body_ko")) == [
        ("Handbook", "Read it.\n"),
        ("2.2 Boxes", "{{live: checklist, written: 1}}\n"),
    ]
    again = client.post("/wiki/import", {"project": world.project.pk, "text": text, "make": "1"})
    assert again.status_code == 302
    assert WikiPage.objects.count() == 2


def test_an_import_leaves_a_page_alone_that_was_moved(client: Client, world: World) -> None:
    """Its old address goes on leading to it; another page there would stand in the way."""
    values = {"project": world.project.pk, "text": "# Rollback\n\nGo back.\n"}
    client.post("/wiki/import", {**values, "make": "1"})
    page = WikiPage.objects.get()
    client.post(f"/wiki/{page.pk}/move", {"slug": "way-back", "position": "0"})
    assert "exists already" in client.post("/wiki/import", values).content.decode()
    client.post("/wiki/import", {**values, "make": "1"})
    assert WikiPage.objects.get() == page
    answer = client.get(f"/projects/{world.project.pk}/wiki/rollback/")
    assert answer["Location"].endswith("/wiki/way-back/")


def test_an_import_needs_a_text_that_can_be_read(client: Client, world: World) -> None:
    for values in ({}, {"text": "a\0b"}, {"text": "   "}):
        answer = client.post("/wiki/import", {"project": world.project.pk, **values})
        assert answer.status_code == 400
    assert not WikiPage.objects.exists()


def test_every_page_of_the_seed_opens_in_both_languages(client: Client, world: World) -> None:
    for page in import_seed(world):
        for language in ("ko", "en"):
            client.cookies.load({"django_language": language})
            answer = client.get(path_of(page))
            assert answer.status_code == 200
            with translation.override(language):
                assert page.title() in answer.content.decode().replace("&#x27;", "'")
