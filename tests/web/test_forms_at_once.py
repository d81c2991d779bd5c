"""Forms that two people, two tabs or two clicks send: nothing is lost, nothing is made twice, nothing breaks."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from releases.models import Artifact, AuditEvent, Environment, Host, Release, Runbook, RunbookVersion
from tests.factories import SIMPLE_RUNBOOK, World, client_of, make_world, save_version


def posted(client: Client, path: str) -> dict[str, Any]:
    """What a browser would send from the form of a page, untouched."""
    form = client.get(path).context["form"]
    return {field.html_name: value for field in form if (value := field.value()) not in (None, False)}


class TestStaleTab:
    """A page that was opened before somebody else saved."""

    @pytest.mark.parametrize("kind", ["environments", "releases", "hosts"])
    def test_it_does_not_undo_what_another_person_saved(self, world: World, kind: str) -> None:
        client = client_of(world.requester)
        row: Any = {"environments": world.environment, "releases": world.release, "hosts": world.host}[kind]
        theirs = {"environments": "approvals_required", "releases": "notes", "hosts": "port"}[kind]
        path = f"/{kind}/{row.pk}/edit"
        stale = posted(client, path)
        type(row).objects.filter(pk=row.pk).update(**{theirs: 2})
        answer = client.post(path, stale)
        assert answer.status_code == 400
        assert "seen" in answer.context["form"].fields
        assert answer.context["form"].non_field_errors()
        assert str(getattr(type(row).objects.get(pk=row.pk), theirs)) == "2"
        assert client.post(path, posted(client, path)).status_code == 302

    def test_the_audit_log_names_only_fields_of_the_row(self, world: World) -> None:
        client, path = client_of(world.requester), f"/environments/{world.environment.pk}/edit"
        assert client.post(path, posted(client, path) | {"approvals_required": "3"}).status_code == 302
        assert AuditEvent.objects.get(action="environment.change").detail["changed"] == ["approvals_required"]
        assert Environment.objects.get(pk=world.environment.pk).approvals_required == 3

    def test_a_runbook_saved_twice_by_two_clicks_is_one_version(self, world: World) -> None:
        client, path = client_of(world.requester), f"/runbooks/{world.runbook.pk}/edit"
        given = {"text": SIMPLE_RUNBOOK.replace("echo one", "echo 1"), "base": "1"}
        assert [client.post(path, given).status_code for _click in range(2)] == [302, 302]
        assert world.runbook.versions.count() == 2

    def test_a_zero_byte_in_the_note_of_a_runbook_is_refused(self, world: World) -> None:
        given = {"text": SIMPLE_RUNBOOK.replace("echo one", "echo 1"), "base": "1", "note": "a\0b"}
        assert client_of(world.requester).post(f"/runbooks/{world.runbook.pk}/edit", given).status_code == 400
        assert world.runbook.versions.count() == 1


def send_while_another_saves(world: World, save: Callable[[], object], path: str, given: dict[str, Any]) -> Any:
    """Send a form when the row it is about was written, but is not yet committed; then commit."""

    def send() -> Any:
        try:
            return client_of(world.requester).post(path, given)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            save()
            answer = pool.submit(send)
            until_somebody_waits()
        return answer.result(30)


def until_somebody_waits() -> None:
    deadline = time.monotonic() + 30
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(waiting)
            if cursor.fetchone():
                return
    raise AssertionError("nobody waited for the row")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["release", "host", "runbook", "artifact"])
def test_a_row_that_another_click_adds_at_this_moment_is_answered_with_a_page(kind: str) -> None:
    world = make_world()
    host = {"environment": world.environment, "name": "n", "role": "r", "address": "127.0.0.1", "user": "u"}
    acts: dict[str, tuple[Callable[[], object], str, dict[str, Any]]] = {
        "release": (
            lambda: Release.objects.create(project=world.project, version="v9", commit="a41f9c2"),
            "/releases/new",
            {"project": world.project.pk, "version": "v9", "commit": "a41f9c2", "branch": "main"},
        ),
        "host": (
            lambda: Host.objects.create(**host),
            "/hosts/new",
            host | {"environment": world.environment.pk, "port": 22},
        ),
        "runbook": (
            lambda: Runbook.objects.create(project=world.project, key="k", name="n"),
            "/runbooks/new",
            {"project": world.project.pk, "key": "k", "name": "n"},
        ),
        "artifact": (
            lambda: Artifact.objects.create(release=world.release, name="a", path="p"),
            f"/releases/{world.release.pk}/artifacts",
            {"name": "a", "path": "p"},
        ),
    }
    answer = send_while_another_saves(world, *acts[kind])
    assert answer.status_code == 409
    assert "refused" in answer.templates[0].name


@pytest.mark.django_db(transaction=True)
def test_of_two_runbooks_saved_at_once_neither_is_hidden_under_the_other() -> None:
    world = make_world()
    theirs, mine = (SIMPLE_RUNBOOK.replace("echo one", f"echo {who}") for who in ("theirs", "mine"))

    def save() -> RunbookVersion:
        Runbook.objects.select_for_update().get(pk=world.runbook.pk)
        return save_version(world.runbook, theirs)

    answer = send_while_another_saves(world, save, f"/runbooks/{world.runbook.pk}/edit", {"text": mine, "base": "1"})
    assert answer.status_code == 409
    assert "echo mine" in answer.content.decode()
    assert [version.text for version in world.runbook.versions.all()] == [theirs, SIMPLE_RUNBOOK]
