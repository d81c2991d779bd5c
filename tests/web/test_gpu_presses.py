"""The presses about a GPU endpoint: who may, what each does, when it is offered."""

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from releases.engine import clock, wake
from releases.models import (
    AuditEvent,
    EndpointState,
    GpuAccount,
    GpuEndpoint,
    GpuSettings,
    Membership,
)
from tests.factories import World, make_user

VERBS = {"stop": "operate", "allow": "operate", "prove": "operate", "retire": "manage", "keep": "manage"}
PAGE = "/environments/1/"


@pytest.fixture
def account(world: World) -> GpuAccount:
    made = GpuAccount.objects.create(project=world.project, name="team", ciphertext=b"sealed", key_version=1)
    GpuSettings.objects.create(environment=world.environment, account=made)
    return made


@pytest.fixture
def person(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "errand", lambda *arguments: found.append(arguments))
    return found


def endpoint(world: World, account: GpuAccount, state: str = EndpointState.RETAINED, **changes: Any) -> GpuEndpoint:
    values: dict[str, Any] = {"name": "qwen-r1", "ref": "abc", "max_workers": 2, "activated_at": clock.now(), **changes}
    return GpuEndpoint.objects.create(environment=world.environment, account=account, state=state, **values)


def press(client: Client, row: GpuEndpoint, verb: str, **data: str) -> Any:
    referer = {"HTTP_REFERER": f"http://testserver{PAGE}"}
    return client.post(reverse(f"releases:{verb}_gpu_endpoint", args=[row.pk]), data, **referer)  # type: ignore[arg-type]


def test_stop_needs_a_reason_and_goes_on_record(
    person: Client, world: World, account: GpuAccount, sent: list[object]
) -> None:
    row = endpoint(world, account, EndpointState.ACTIVE)
    answer = press(person, row, "stop", reason=" ")
    assert answer.status_code == 409 and "goes on record" in answer.content.decode()
    answer = press(person, row, "stop", reason="It answers nonsense.")
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    row.refresh_from_db()
    assert (row.order, row.order_because, row.order_by) == ("stop", "It answers nonsense.", world.requester)
    assert sent == [("tend_gpu_endpoint", row.pk)]
    event = AuditEvent.objects.get(action="gpu_endpoint.stop_asked")
    assert (event.actor, event.detail, event.address) == (
        world.requester, {"reason": "It answers nonsense."}, "127.0.0.1",
    )  # fmt: skip
    assert press(person, row, "stop", reason="again").status_code == 409


def test_allow_is_written_down(person: Client, world: World, account: GpuAccount, sent: list[object]) -> None:
    row = endpoint(world, account, stopped_at=clock.now())
    assert press(person, row, "allow").status_code == 302
    row.refresh_from_db()
    assert row.order == "allow" and sent == [("tend_gpu_endpoint", row.pk)]
    assert press(person, row, "allow").status_code == 409


def test_retire_wants_the_name_of_the_endpoint(
    person: Client, world: World, account: GpuAccount, sent: list[object]
) -> None:
    row = endpoint(world, account)
    for typed in ("", "qwen", "QWEN-R1"):
        answer = press(person, row, "retire", confirm_name=typed)
        assert answer.status_code == 409 and "type qwen-r1 exactly" in answer.content.decode()
    assert press(person, row, "retire", confirm_name=" qwen-r1 ").status_code == 302
    row.refresh_from_db()
    assert (row.state, row.retired_by) == (EndpointState.RETIRING, world.requester)
    assert sent == [("tend_gpu_endpoint", row.pk)]
    assert press(person, row, "keep").status_code == 302
    row.refresh_from_db()
    assert (row.state, row.retired_by) == (EndpointState.RETAINED, None)
    assert press(person, row, "keep").status_code == 409


def test_the_active_one_is_not_retired(person: Client, world: World, account: GpuAccount) -> None:
    row = endpoint(world, account, EndpointState.ACTIVE)
    answer = press(person, row, "retire", confirm_name="qwen-r1")
    assert answer.status_code == 409 and "has the traffic" in answer.content.decode()


def test_what_was_asked_nothing_has_no_question(person: Client, world: World, account: GpuAccount) -> None:
    row = endpoint(world, account)
    answer = press(person, row, "prove")
    assert answer.status_code == 409 and "no question to ask" in answer.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_each_needs_its_right(client: Client, world: World, account: GpuAccount, verb: str, sent: list[object]) -> None:
    row = endpoint(world, account)
    rights = {"can_operate": VERBS[verb] != "operate", "can_manage": VERBS[verb] != "manage", "can_approve": True}
    other = make_user("other")
    Membership.objects.create(project=world.project, user=other, **rights)
    client.force_login(other)
    assert press(client, row, verb, reason="x", confirm_name="qwen-r1").status_code == 403
    client.force_login(world.outsider)
    assert press(client, row, verb, reason="x", confirm_name="qwen-r1").status_code == 404
    assert client.get(reverse(f"releases:{verb}_gpu_endpoint", args=[row.pk])).status_code == 405
    assert sent == [] and not AuditEvent.objects.filter(action__startswith="gpu_endpoint").exists()


# What is offered


def offered(row: GpuEndpoint, *, operate: bool = True, manage: bool = True) -> set[str]:
    """The verbs that the page offers."""
    context = {"endpoint": row, "may_operate": operate, "may_manage": manage}
    with override("en"):
        text = render_to_string("releases/gpu/presses.html", context)
    return {verb for verb in VERBS if reverse(f"releases:{verb}_gpu_endpoint", args=[row.pk]) in text}


@pytest.mark.parametrize(
    ("state", "changes", "verbs"),
    [
        ("active", {}, {"stop", "prove"}),
        ("retained", {}, {"stop", "prove", "retire"}),
        ("retained", {"stopped": True}, {"allow", "retire"}),
        ("retained", {"stopped": True, "alarms": {"capacity": "Raised."}}, {"stop", "allow", "retire"}),
        ("retiring", {"stopped": True}, {"stop", "keep"}),
        ("retained", {"alarms": {"capacity": "Lowered."}}, {"stop", "allow", "prove", "retire"}),
        ("retained", {"order": "stop"}, {"retire"}),
        ("retained", {"order": "allow"}, {"stop", "retire"}),
        ("retained", {"asked": True}, {"stop", "retire"}),
        ("failed", {"ref": ""}, {"retire"}),
        ("retiring", {}, {"stop", "keep"}),
        ("retiring", {"deleting": True}, {"stop"}),
        ("retired", {}, set()),
    ],
)
def test_what_is_offered(
    world: World, account: GpuAccount, state: str, changes: dict[str, Any], verbs: set[str]
) -> None:
    now = clock.now()
    names = {"stopped": "stopped_at", "asked": "proof_asked_at", "deleting": "delete_began_at"}
    columns = {names.get(name, name): now if name in names else value for name, value in changes.items()}
    row = endpoint(world, account, state, **columns)
    assert offered(row) == verbs
    assert offered(row, manage=False) == verbs - {"retire", "keep"}
    assert offered(row, operate=False) == verbs & {"retire", "keep"}
    assert offered(row, operate=False, manage=False) == set()


def test_an_own_server_is_asked_and_crossed_out(world: World, account: GpuAccount) -> None:
    GpuAccount.objects.filter(pk=account.pk).update(provider="self_hosted")
    account.refresh_from_db()
    assert offered(endpoint(world, account)) == {"prove", "retire"}


@pytest.mark.parametrize(("language", "word"), [("ko", "비용"), ("en", "Stop what it costs")])
def test_it_speaks_both_languages(world: World, account: GpuAccount, language: str, word: str) -> None:
    context = {"endpoint": endpoint(world, account), "may_operate": True, "may_manage": True}
    with override(language):
        text = render_to_string("releases/gpu/presses.html", context)
    assert word in text and 'class="btn stop"' in text
