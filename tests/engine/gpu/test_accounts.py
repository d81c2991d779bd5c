"""Checking an account and taking endpoints over, against an emulated RunPod and a server of one's own."""

import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models.functions import Now
from django.utils import timezone, translation

from releases import lifecycle, secrets
from releases.audit import Actor
from releases.endpoints import specs
from releases.engine import gpu_accounts
from releases.engine.errors import EngineError
from releases.gpu.account import Account
from releases.models import AuditEvent, Deployment, Environment, GpuAccount, GpuEndpoint, GpuSettings, GpuSpec
from releases.tasks import check_gpu_account
from tests.emulators.runpod import RunPod as Emulator
from tests.factories import World, make_world

from .caller import BODY, Caller
from .servers import Scripted, answer
from .specs import MODEL

SECRET = "hf_a-secret-of-the-endpoint"
FOUND_LATER = "an answer that came after the change"


@pytest.fixture
def world(db: None, redis_url: str) -> World:
    return make_world()


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(speed=0, quota=20) as running:
        yield running


@pytest.fixture
def caller(emulator: Emulator) -> Caller:
    return Caller(emulator)


@pytest.fixture
def account(world: World, emulator: Emulator) -> GpuAccount:
    return GpuAccount.objects.create(
        project=world.project,
        name="cards",
        control_url=emulator.control_url,
        data_url=emulator.data_url,
        ciphertext=secrets.seal(emulator.key),
        key_version=1,
        worker_quota=5,
    )


def checked(account: GpuAccount) -> GpuAccount:
    with translation.override("en"):
        check_gpu_account(account.pk)
    account.refresh_from_db()
    return account


def adopt(world: World, account: GpuAccount, ref: str, environment: Environment | None = None) -> GpuEndpoint:
    return gpu_accounts.adopt(account, environment or world.environment, ref, Actor(world.requester))


# Checking


def test_a_check_finds_what_is_there(world: World, account: GpuAccount, caller: Caller) -> None:
    made = caller.create(env={"TOKEN": SECRET})
    checked(account)
    assert (account.problem, account.allotted) == ("", 2)
    assert account.checked_at is not None and timezone.now() - account.checked_at < timedelta(minutes=1)
    assert account.strangers == [{"id": made["id"], "name": BODY["name"], "workers": 2, "image": BODY["image"]}], (
        "and none of its variables"
    )


def test_what_is_ours_is_no_stranger(world: World, account: GpuAccount, caller: Caller) -> None:
    ours, _lost, retired, _strange = (caller.create(name=name) for name in ("ours", "lost", "retired", "strange"))
    rows: list[dict[str, Any]] = [
        {"ref": ours["id"], "name": "ours", "state": "retained"},
        {"ref": "", "name": "lost", "state": "creating"},
        {"ref": retired["id"], "name": "retired", "state": "retired"},
    ]
    for row in rows:
        GpuEndpoint.objects.create(environment=world.environment, account=account, **row)
    names = [stranger["name"] for stranger in checked(account).strangers]
    assert names == ["retired", "strange"], "one whose id is not known yet is ours, a retired one is not any more"


def test_a_check_touches_nothing(account: GpuAccount, caller: Caller, emulator: Emulator) -> None:
    caller.create()
    before = len(emulator.requests)
    checked(account)
    assert {request.split()[0] for request in emulator.requests[before:]} == {"GET"}


def test_a_wrong_key_is_told_and_what_was_seen_stays(account: GpuAccount, caller: Caller) -> None:
    caller.create()
    seen = checked(account).strangers
    GpuAccount.objects.filter(pk=account.pk).update(ciphertext=secrets.seal("rpa_some-other-key"))
    checked(account)
    assert "key" in account.problem and "settings" in account.problem, "with the mend"
    assert "rpa_some-other-key" not in account.problem
    assert (account.strangers, account.allotted) == (seen, 2)
    GpuAccount.objects.filter(pk=account.pk).update(ciphertext=b"")
    assert "cards" in checked(account).problem


def test_a_provider_that_is_away_is_told(account: GpuAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_accounts, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    GpuAccount.objects.filter(pk=account.pk).update(control_url=f"http://127.0.0.1:{port}")
    assert "RunPod" in checked(account).problem


def test_an_address_that_must_not_get_the_key_is_told(account: GpuAccount) -> None:
    GpuAccount.objects.filter(pk=account.pk).update(control_url="http://gpu.example.com")
    assert checked(account).problem


def test_what_was_found_of_older_settings_is_no_news(
    account: GpuAccount, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account is changed while the provider is asked."""
    caller.create()
    close = Account.close

    def change_then_close(self: Account) -> None:
        GpuAccount.objects.filter(pk=account.pk).update(updated_at=Now(), problem=FOUND_LATER)
        close(self)

    monkeypatch.setattr(Account, "close", change_then_close)
    checked(account)
    assert (account.problem, account.strangers, account.checked_at) == (FOUND_LATER, [], None)


def test_a_check_that_ended_is_no_longer_under_way(account: GpuAccount) -> None:
    gpu_accounts.ask(account)
    assert gpu_accounts.is_being_checked(account)
    checked(account)
    assert not gpu_accounts.is_being_checked(account)
    assert cache.get(f"gpu-account-check-{account.pk}") is None


def test_an_account_that_was_removed_is_passed_over(account: GpuAccount) -> None:
    number = account.pk
    account.delete()
    check_gpu_account(number)


# A server of one's own


@pytest.fixture
def server() -> Iterator[Scripted]:
    routes = {
        "GET /health": answer(200, b""),
        "GET /v1/models": answer(200, {"object": "list", "data": [{"id": MODEL}]}),
    }
    with Scripted(routes) as running:
        yield running


@pytest.fixture
def own(world: World, server: Scripted) -> GpuAccount:
    return GpuAccount.objects.create(
        project=world.project, name="gpu-1", provider="self_hosted", data_url=server.url, model=MODEL
    )


def test_an_own_server_is_asked_whether_it_serves(own: GpuAccount, server: Scripted) -> None:
    assert (checked(own).problem, own.allotted) == ("", None)
    server.routes["GET /v1/models"] = answer(200, {"data": [{"id": "another"}]})
    assert MODEL in checked(own).problem
    server.routes["GET /health"] = answer(503, b"")
    assert checked(own).problem


def test_an_own_server_is_taken_over(world: World, own: GpuAccount, server: Scripted) -> None:
    (stranger,) = checked(own).strangers
    made = adopt(world, own, stranger["id"])
    assert (made.ref, made.base_url, made.state) == ("gpu-1", f"{server.url}/v1", "active")
    assert (made.spec["method"], made.spec["served_name"]) == ("self_hosted", MODEL)
    assert checked(own).strangers == []


# Taking over


def test_an_endpoint_is_taken_over_as_it_is(
    world: World, account: GpuAccount, caller: Caller, emulator: Emulator
) -> None:
    env = {"MODEL_NAME": "Qwen/Qwen2.5-7B-Instruct", "OPENAI_SERVED_MODEL_NAME_OVERRIDE": MODEL, "TOKEN": SECRET}
    theirs = caller.create(env=env)
    checked(account)
    before = len(emulator.requests)
    made = adopt(world, account, theirs["id"])
    assert (made.ref, made.name, made.state) == (theirs["id"], BODY["name"], "active")
    assert (made.min_workers, made.max_workers, made.release, made.deployment) == (0, 2, None, None)
    assert made.base_url == f"{emulator.data_url}/{theirs['id']}/openai/v1"
    assert made.activated_at is not None and made.retained_until is None
    assert set(made.spec) == set(specs.written(GpuSpec())), "in the shape that plans and pages know"
    assert made.spec["env"] == {"MODEL_NAME": "", "OPENAI_SERVED_MODEL_NAME_OVERRIDE": "", "TOKEN": ""}
    assert (made.spec["model"], made.spec["served_name"]) == ("Qwen/Qwen2.5-7B-Instruct", MODEL)
    assert (made.spec["method"], made.spec["pools"], made.spec["scaling_value"]) == ("vllm", ["AMPERE_24"], 4)
    assert specs.endpoint_spec(made.spec, made.name, {}).excluded_types == (
        "NVIDIA GeForce RTX 3090",
        "NVIDIA RTX A5000",
    )
    event = AuditEvent.objects.get(action="gpu_endpoint.adopt")
    assert event.detail == {"ref": theirs["id"], "state": "active", "account": "cards"}
    assert (event.project, event.actor) == (world.project, world.requester)
    for text in (str(made.spec), str(event.detail), str(account.strangers)):
        assert SECRET not in text
    assert {request.split()[0] for request in emulator.requests[before:]} == {"GET"}, "nothing is changed there"
    account.refresh_from_db()
    assert account.strangers == [] and checked(account).strangers == []


def test_beside_an_active_one_it_is_kept_in_reserve(world: World, account: GpuAccount, caller: Caller) -> None:
    first, second, third = (caller.create(name=name, image=f"team/handler:{name}") for name in ("a", "b", "c"))
    checked(account)
    assert adopt(world, account, first["id"]).state == "active"
    GpuSettings.objects.create(environment=world.environment, retained_days=3)
    made = adopt(world, account, second["id"])
    assert (made.state, made.spec["method"]) == ("retained", "handler")
    assert made.retained_until is not None
    assert timedelta(days=2.9) < made.retained_until - timezone.now() < timedelta(days=3)
    elsewhere = Environment.objects.create(project=world.project, key="staging", name="Staging")
    assert adopt(world, account, third["id"], elsewhere).state == "active"


def refused(world: World, account: GpuAccount, ref: str) -> str:
    rows = GpuEndpoint.objects.count()
    with pytest.raises(EngineError) as caught:
        adopt(world, account, ref)
    assert GpuEndpoint.objects.count() == rows
    return str(caught.value)


def test_what_is_ours_already_is_refused(world: World, account: GpuAccount, caller: Caller) -> None:
    theirs = caller.create()
    stale = checked(account)
    adopt(world, GpuAccount.objects.get(pk=account.pk), theirs["id"])
    refused(world, stale, theirs["id"])  # the page of somebody who looked before
    GpuEndpoint.objects.update(state="retired")
    assert adopt(world, checked(account), theirs["id"]).state == "active", "a retired row is in nobody's way"


def test_two_of_one_name_are_refused(world: World, account: GpuAccount, caller: Caller) -> None:
    first, second = caller.create(), caller.create()
    checked(account)
    adopt(world, account, first["id"])
    assert BODY["name"] in refused(world, account, second["id"])


def test_during_a_deployment_it_is_refused(world: World, account: GpuAccount, caller: Caller) -> None:
    theirs = caller.create()
    checked(account)
    draft = world.draft()
    Deployment.objects.filter(pk=draft.pk).update(status=lifecycle.RUNNING, started_at=timezone.now())
    assert "운영" in refused(world, account, theirs["id"])


def test_what_is_gone_or_was_never_listed_is_refused(world: World, account: GpuAccount, caller: Caller) -> None:
    theirs = caller.create()
    refused(world, account, theirs["id"])
    checked(account)
    caller.call("DELETE", f"/{theirs['id']}")
    refused(world, account, theirs["id"])


def test_one_without_a_queue_is_refused(world: World, account: GpuAccount, caller: Caller) -> None:
    theirs = caller.create(
        type="LOAD_BALANCER", scaling={"type": "REQUEST_COUNT", "requestCount": 4}, workers={"max": 1}
    )
    checked(account)
    assert BODY["name"] in refused(world, account, theirs["id"])


def test_one_that_is_elsewhere_than_its_account_is_refused(world: World, account: GpuAccount, caller: Caller) -> None:
    theirs = caller.create()
    checked(account)
    GpuAccount.objects.filter(pk=account.pk).update(data_url="https://api.runpod.ai")
    account.refresh_from_db()
    assert refused(world, account, theirs["id"])
