"""GPU accounts: who may see and change them, what is refused at which field, and that a key never comes back."""

import json
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from releases import secrets
from releases.engine import wake
from releases.models import AuditEvent, GpuAccount, GpuSettings, Membership
from tests.factories import World, make_user, make_world
from tests.web.gpu import KEY, STRANGER, account, browser, endpoint

OTHER_KEY = "rpa_fedcba9876543210-another"


@pytest.fixture
def client(world: World) -> Client:
    return browser(world)


def new(world: World, **changes: Any) -> dict[str, Any]:
    return {"project": world.project.pk, "name": "cards", "provider": "runpod", "key": KEY} | changes


def own(world: World, **changes: Any) -> dict[str, Any]:
    given = {"provider": "self_hosted", "data_url": "http://10.0.0.7:8000", "model": "our-model", "key": ""}
    return new(world, **given) | changes


def page(client: Client, row: GpuAccount) -> str:
    return client.get(reverse("releases:gpu_account", args=[row.pk])).content.decode()


# Adding


def test_an_account_is_added_with_its_key_sealed(client: Client, world: World) -> None:
    answer = client.post("/gpu/accounts/new", new(world, worker_quota="5"))
    row = GpuAccount.objects.get()
    assert answer["Location"] == f"/gpu/accounts/{row.pk}/"
    assert secrets.open_sealed(bytes(row.ciphertext)) == KEY
    assert (row.key_version, row.worker_quota, row.updated_by) == (1, 5, world.requester)
    assert row.key_set_at is not None and row.checked_at is None
    event = AuditEvent.objects.get(action="gpu_account.create")
    assert (event.project, event.detail["provider"], event.detail["key_version"]) == (world.project, "runpod", 1)
    text = page(client, row)
    assert "set, version 1" in text and "0 / 5" not in text
    for shown in (text, client.get("/gpu/accounts/").content.decode(), client.get("/audit/").content.decode()):
        assert KEY not in shown
    assert KEY not in json.dumps([event.detail for event in AuditEvent.objects.all()])


def test_an_own_server_needs_no_key_and_no_encryption(client: Client, world: World) -> None:
    client.post("/gpu/accounts/new", own(world, control_url="https://left.example.com", worker_quota="9"))
    row = GpuAccount.objects.get()
    assert (row.has_key, row.key_version, row.model, row.data_url) == (False, 0, "our-model", "http://10.0.0.7:8000")
    assert (row.control_url, row.worker_quota) == ("", None), "what is RunPod's is left out"
    assert "none: the server is asked without one" in page(client, row)


@pytest.mark.parametrize(
    ("kind", "changes", "field", "words"),
    [
        ("new", {"key": ""}, "key", "RunPod needs an API key"),
        ("new", {"key": "short"}, "key", "at least 8 characters"),
        ("new", {"key": "two words of it"}, "key", "no spaces"),
        ("new", {"key": "schlüssel-mit-umlaut"}, "key", "no spaces"),
        ("new", {"name": ""}, "name", "required"),
        ("new", {"control_url": "http://gpu.example.com"}, "control_url", "unencrypted"),
        ("new", {"data_url": "http://gpu.example.com"}, "data_url", "unencrypted"),
        ("new", {"control_url": "ftp://gpu.example.com"}, "control_url", "Give an address"),
        ("new", {"control_url": "gpu.example.com"}, "control_url", "Give an address"),
        ("new", {"control_url": "https://me:secret@gpu.example.com"}, "control_url", "Give an address"),
        ("new", {"control_url": "https://gpu.example.com/?key=1"}, "control_url", "Give an address"),
        ("new", {"control_url": "https://gpu.example.com:port"}, "control_url", "Give an address"),
        ("new", {"control_url": "https://[gpu"}, "control_url", "Give an address"),
        ("new", {"provider": "aws"}, "provider", "valid choice"),
        ("own", {"data_url": ""}, "data_url", "required"),
        ("own", {"model": ""}, "model", "required"),
        ("own", {"key": KEY}, "data_url", "unencrypted"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_the_key_does_not_come_back(
    client: Client, world: World, kind: str, changes: dict[str, str], field: str, words: str
) -> None:
    given = new(world, **changes) if kind == "new" else own(world, **changes)
    answer = client.post("/gpu/accounts/new", given)
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == [field]
    text = answer.content.decode()
    assert words in text and KEY not in text
    assert not given["key"] or given["key"] not in text
    assert not GpuAccount.objects.exists()


@pytest.mark.parametrize("address", ["https://gpu.example.com", "http://127.0.0.1:8000", "http://localhost:1"])
def test_an_address_that_a_key_may_go_to(client: Client, world: World, address: str) -> None:
    assert client.post("/gpu/accounts/new", new(world, control_url=address, data_url=address)).status_code == 302


def test_a_network_of_ones_own_may_be_unencrypted(client: Client, world: World) -> None:
    given = new(world, control_url="http://gpu.internal", plain_http="on")
    assert client.post("/gpu/accounts/new", given).status_code == 302


def test_a_name_is_used_once_in_a_project(client: Client, world: World) -> None:
    account(world.project)
    answer = client.post("/gpu/accounts/new", new(world))
    assert answer.status_code == 400
    assert "has a GPU account with this name already" in answer.content.decode()
    second = account(world.project, name="others")
    answer = client.post(f"/gpu/accounts/{second.pk}/edit", {"name": "cards"})
    assert answer.status_code == 400


def test_nobody_adds_one_to_a_project_of_others(client: Client, world: World) -> None:
    strange = make_world().project
    assert client.post("/gpu/accounts/new", new(world, project=strange.pk)).status_code == 400
    operator = make_user("operator")
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    client.force_login(operator)
    assert client.post("/gpu/accounts/new", new(world)).status_code == 400
    assert "New GPU account" not in client.get("/gpu/accounts/").content.decode()
    assert not GpuAccount.objects.exists()


# Changing


def test_a_change_is_audited_with_what_it_was(client: Client, world: World) -> None:
    row = account(world.project, worker_quota=5)
    path = f"/gpu/accounts/{row.pk}/edit"
    assert "project" not in client.get(path).context["form"].fields
    assert client.post(path, {"name": "cards", "worker_quota": "10"}).status_code == 302
    event = AuditEvent.objects.get(action="gpu_account.change")
    assert event.detail["changed"] == {"worker_quota": [5, 10]}
    row.refresh_from_db()
    assert (row.worker_quota, row.key_version, row.provider) == (10, 1, "runpod")
    assert secrets.open_sealed(bytes(row.ciphertext)) == KEY


def test_a_key_goes_to_no_other_address_unless_it_is_entered_again(client: Client, world: World) -> None:
    row = account(world.project)
    path, given = f"/gpu/accounts/{row.pk}/edit", {"name": "cards", "control_url": "https://evil.example.com"}
    answer = client.post(path, given)
    assert answer.status_code == 400 and "enter the key again" in answer.content.decode()
    row.refresh_from_db()
    assert row.control_url == ""
    assert client.post(path, given | {"key": OTHER_KEY}).status_code == 302
    row.refresh_from_db()
    assert secrets.open_sealed(bytes(row.ciphertext)) == OTHER_KEY
    assert (row.control_url, row.key_version) == ("https://evil.example.com", 2)


def test_what_a_check_wrote_meanwhile_is_not_undone(client: Client, world: World) -> None:
    row = account(world.project)
    form = client.get(f"/gpu/accounts/{row.pk}/edit").context["form"]
    GpuAccount.objects.filter(pk=row.pk).update(allotted=4, strangers=[STRANGER])
    answer = client.post(f"/gpu/accounts/{row.pk}/edit", {"name": "new name", "seen": form["seen"].value()})
    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.name, row.allotted, row.strangers) == ("new name", 4, [STRANGER])


def test_a_stale_tab_is_refused(client: Client, world: World) -> None:
    row = account(world.project)
    path = f"/gpu/accounts/{row.pk}/edit"
    seen = client.get(path).context["form"]["seen"].value()
    GpuAccount.objects.filter(pk=row.pk).update(worker_quota=20)
    answer = client.post(path, {"name": "cards", "worker_quota": "5", "seen": seen})
    assert answer.status_code == 400 and "changed meanwhile" in answer.content.decode()


def test_an_own_server_with_an_endpoint_keeps_its_name(client: Client, world: World) -> None:
    row = account(
        world.project, provider="self_hosted", data_url="http://10.0.0.7", model="m", ciphertext=b"", key_version=0
    )
    living = endpoint(world, row, ref="cards", name="cards")
    given = {"name": "other", "data_url": "http://10.0.0.7", "model": "m"}
    assert "Retire that first" in client.post(f"/gpu/accounts/{row.pk}/edit", given).content.decode()
    type(living).objects.filter(pk=living.pk).update(state="retired")
    assert client.post(f"/gpu/accounts/{row.pk}/edit", given).status_code == 302


# The key


def test_a_key_is_replaced(client: Client, world: World) -> None:
    row = account(world.project, checked_at=timezone.now(), problem="The key was refused.")
    answer = client.post(f"/gpu/accounts/{row.pk}/key", {"key": f" {OTHER_KEY} "}, follow=True)
    assert answer.redirect_chain[0][0] == f"/gpu/accounts/{row.pk}/"
    text = answer.content.decode()
    assert "set, version 2" in text and OTHER_KEY not in text and "The key was refused." not in text
    row.refresh_from_db()
    assert secrets.open_sealed(bytes(row.ciphertext)) == OTHER_KEY
    assert (row.key_version, row.checked_at, row.problem) == (2, None, "")
    event = AuditEvent.objects.get(action="gpu_account.key")
    assert (event.detail, event.project) == ({"version": 2}, world.project)


@pytest.mark.parametrize("key", ["", "short", "two words of it", "zero\0byte-in-it", "x" * 501])
def test_a_wrong_key_is_refused_and_not_shown(client: Client, world: World, key: str) -> None:
    row = account(world.project)
    answer = client.post(f"/gpu/accounts/{row.pk}/key", {"key": key})
    assert answer.status_code == 400
    text = answer.content.decode()
    assert list(answer.context["form"].errors) == ["key"]
    assert (not key or key not in text) and "value=" not in text[text.index('name="key"') :][:100]
    row.refresh_from_db()
    assert (row.key_version, secrets.open_sealed(bytes(row.ciphertext))) == (1, KEY)


def test_a_key_is_not_given_to_an_unencrypted_server(client: Client, world: World) -> None:
    row = account(world.project, provider="self_hosted", data_url="http://10.0.0.7", model="m", ciphertext=b"")
    answer = client.post(f"/gpu/accounts/{row.pk}/key", {"key": OTHER_KEY})
    assert answer.status_code == 400 and "The account&#x27;s address is unencrypted" in answer.content.decode()
    GpuAccount.objects.filter(pk=row.pk).update(plain_http=True)
    assert client.post(f"/gpu/accounts/{row.pk}/key", {"key": OTHER_KEY}).status_code == 302


def test_whatever_changes_what_a_check_finds_has_it_checked(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: sent.append(arguments) or True)
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/gpu/accounts/new", new(world))
    row = GpuAccount.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/gpu/accounts/{row.pk}/key", {"key": OTHER_KEY})
        client.post(f"/gpu/accounts/{row.pk}/edit", {"name": "other"})
    assert sent == [("check_gpu_account", row.pk)] * 3


# The page


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_page_tells_how_it_was_found(client: Client, world: World, language: str) -> None:
    client.cookies["django_language"] = language
    problem = "RunPod refused the key. Put another one."
    found = {"checked_at": timezone.now(), "problem": problem, "allotted": 5, "worker_quota": 5}
    row = account(world.project, strangers=[STRANGER], **found)
    endpoint(world, row)
    endpoint(world, row, 2, state="retired")
    endpoint(world, row, 3, ref="ep-2", name="a<b>")
    GpuAccount.objects.filter(pk=row.pk).update(strangers=[STRANGER, {**STRANGER, "id": "ep-2", "name": "ours by now"}])
    GpuSettings.objects.create(environment=world.environment, account=row)
    text = page(client, row)
    for shown in (problem, "5 / 5", "qwen-r1", "ref-1", "notebook", "someone/image:1", "a&lt;b&gt;", "운영"):
        assert shown in text
    assert "qwen-r2" not in text, "what is retired is gone"
    assert "ours by now" not in text, "what was taken over since the check is ours"
    assert KEY not in text


def test_a_viewer_sees_it_and_can_change_nothing(client: Client, world: World) -> None:
    row = account(world.project, strangers=[STRANGER])
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client.force_login(viewer)
    text = page(client, row)
    assert "notebook" in text and "set, version 1" in text
    for absent in ("Check now", "Take it over", "Replace the key", "/edit"):
        assert absent not in text
    Membership.objects.filter(user=viewer).update(can_operate=True)
    text = page(client, row)
    assert "Check now" in text and "Take it over" not in text and "Replace the key" not in text


def test_a_missing_key_and_a_full_account_are_told(client: Client, world: World) -> None:
    row = account(world.project, ciphertext=b"", key_version=0, allotted=6, worker_quota=5)
    text = page(client, row)
    assert "missing" in text and "No room for another endpoint" in text
    assert "missing" in client.get("/gpu/accounts/").content.decode()


def test_the_page_asks_again_while_it_is_checked(client: Client, world: World, redis_url: str) -> None:
    row = account(world.project)
    assert "hx-get" not in page(client, row)
    answer = client.post(f"/gpu/accounts/{row.pk}/check")
    assert answer["Location"] == f"/gpu/accounts/{row.pk}/"
    text = page(client, row)
    assert f'hx-get="/gpu/accounts/{row.pk}/"' in text and "is being checked" in text
    part = client.get(f"/gpu/accounts/{row.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="seen"') and 'name="key"' not in part
    assert cache.get(f"gpu-account-check-{row.pk}")
    assert client.post(f"/gpu/accounts/{row.pk}/check").status_code == 302, "a second press is no second check"


def test_a_press_without_a_broker_is_told(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    row = account(world.project)
    monkeypatch.setattr(wake, "send", lambda *_given: False)
    answer = client.post(f"/gpu/accounts/{row.pk}/check")
    assert answer.status_code == 409 and "No worker can be told" in answer.content.decode()
    assert "hx-get" not in page(client, row)


@pytest.mark.parametrize("which", ["list", "one"])
def test_the_number_of_queries_does_not_grow(client: Client, world: World, which: str) -> None:
    row = account(world.project, strangers=[STRANGER])
    endpoint(world, row)
    path = "/gpu/accounts/" if which == "list" else f"/gpu/accounts/{row.pk}/"
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    strangers = [{**STRANGER, "id": f"ep-{number}"} for number in range(20)]
    GpuAccount.objects.filter(pk=row.pk).update(strangers=strangers)
    for number in range(2, 12):
        account(world.project, name=f"n{number}")
        endpoint(world, row, number)
    with CaptureQueriesContext(connection) as many:
        assert client.get(path).status_code == 200
    assert len(many) <= len(few), "\n".join(query["sql"][:200] for query in many)


# Taking over


@pytest.mark.parametrize("given", [{}, {"ref": "ep-1"}, {"ref": "ep-1", "environment": "strange"}, {"ref": "ep-9"}])
def test_only_what_was_listed_can_be_taken_over(client: Client, world: World, given: dict[str, Any]) -> None:
    row = account(world.project, strangers=[STRANGER])
    if given.get("environment") == "strange":
        given = given | {"environment": make_world().environment.pk}
    elif "ep-9" in given.values():
        given = given | {"environment": world.environment.pk}
    answer = client.post(f"/gpu/accounts/{row.pk}/adopt", given)
    assert answer.status_code == 409
    assert not row.endpoints.exists()
