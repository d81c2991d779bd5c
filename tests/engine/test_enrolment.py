"""Hosts: seen, pinned, tried; a changed key stops everything."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from releases import enrolment
from releases.audit import Actor
from releases.models import AuditEvent, Host
from releases.remote.errors import HostKeyChanged, HostKeyNotPinned, HostUnreachable
from tests.engine.sshd import Sshd
from tests.engine.stage import start_host
from tests.factories import World, make_world


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    found = start_host(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def world(db: None, server: Sshd, settings: LazySettings, redis_url: str) -> World:
    """An environment whose host is known by address only."""
    settings.SSH_KEY_FILE = server.client_key
    settings.CACHES = {**settings.CACHES, "default": {**settings.CACHES["default"], "KEY_PREFIX": uuid.uuid4().hex}}
    world = make_world()
    Host.objects.filter(pk=world.host.pk).update(
        address="127.0.0.1", port=server.port, user=server.user, host_key="", fingerprint=""
    )
    world.host.refresh_from_db()
    return world


def actor(world: World) -> Actor:
    return Actor(world.requester, "192.0.2.9")


def pinned(world: World) -> Host:
    key = enrolment.scan(world.host)
    return enrolment.pin(world.host, key.fingerprint, world.requester, actor(world))


def test_the_key_seen_is_the_key_pinned(world: World, server: Sshd) -> None:
    host = pinned(world)
    assert server.host_key.startswith(host.host_key)
    assert host.fingerprint.startswith("SHA256:")
    assert host.pinned_by == world.requester and host.pinned_at is not None
    assert host.last_checked_at is None
    event = AuditEvent.objects.get(action="host.pin")
    assert event.detail["fingerprint"] == host.fingerprint
    assert event.address == "192.0.2.9"


def test_another_key_than_the_one_shown_is_not_pinned(world: World, server: Sshd) -> None:
    seen = enrolment.scan(world.host).fingerprint
    server.stop()
    server.new_host_key()
    server.start()
    with pytest.raises(enrolment.EnrolmentError, match="SHA256:"):
        enrolment.pin(world.host, seen, world.requester, actor(world))
    world.host.refresh_from_db()
    assert world.host.host_key == ""
    assert not AuditEvent.objects.filter(action="host.pin").exists()


def test_a_host_that_is_down_can_not_be_pinned(world: World, server: Sshd) -> None:
    server.stop()
    with pytest.raises(HostUnreachable):
        enrolment.pin(world.host, "SHA256:x", world.requester, actor(world))
    server.start()


def test_a_check_logs_in_and_tells_what_it_found(world: World) -> None:
    host = pinned(world)
    found = enrolment.check(host, actor(world))
    assert found.ok, found.detail
    assert found.milliseconds > 0
    assert host.last_check_ok is True
    assert host.last_checked_at is not None
    assert "ms" in host.last_check_detail and "GB" in host.last_check_detail


def test_a_second_check_at_once_is_refused(world: World) -> None:
    host = pinned(world)
    enrolment.check(host)
    with pytest.raises(enrolment.TooSoon):
        enrolment.check(host)
    cache.delete(f"host-check-{host.pk}")
    assert enrolment.check(host).ok


def test_a_changed_key_stops_and_is_written_down(world: World, server: Sshd) -> None:
    host = pinned(world)
    server.stop()
    server.new_host_key()
    server.start()
    found = enrolment.check(host, actor(world))
    assert not found.ok
    assert host.last_check_ok is False
    assert "pinned" in host.last_check_detail
    assert AuditEvent.objects.get(action="host.key_changed").target_name == host.name
    with pytest.raises(HostKeyChanged):
        enrolment.connect(host)
    assert AuditEvent.objects.filter(action="host.key_changed").count() == 2


def test_what_is_not_pinned_is_not_spoken_to(world: World) -> None:
    with pytest.raises(HostKeyNotPinned):
        enrolment.connect(world.host)
    assert not enrolment.check(world.host).ok
    host = pinned(world)
    enrolment.unpin(host, actor(world))
    assert (host.host_key, host.fingerprint, host.pinned_at) == ("", "", None)
    assert AuditEvent.objects.get(action="host.unpin").detail["before"].startswith("SHA256:")


def test_a_missing_tool_is_named(world: World, server: Sshd, tmp_path: Path) -> None:
    host = pinned(world)
    few = tmp_path / "few"
    few.mkdir()
    for name in ("sh", "cat", "id", "df", "tail", "tr", "cut", "mktemp", "mkdir", "mv", "rm"):
        (few / name).symlink_to(f"/usr/bin/{name}")
    server.stop()
    server.settings = f"SetEnv PATH={few}"
    server.start()
    found = enrolment.check(host)
    assert not found.ok
    assert "flock" in found.detail and "sha256sum" in found.detail


def test_a_disk_that_does_not_know_how_much_is_free_is_no_obstacle(world: World, server: Sshd, tmp_path: Path) -> None:
    host = pinned(world)
    first = tmp_path / "first"
    first.mkdir()
    (first / "df").write_text("#!/bin/sh\necho 'Filesystem 1024-blocks Used Available'\necho 'remote - - - -'\n")
    (first / "df").chmod(0o755)
    server.stop()
    server.settings = f"SetEnv PATH={first}:{os.environ['PATH']}"
    server.start()
    found = enrolment.check(host)
    assert found.ok, found.detail
    assert "free disk not known" in found.detail or "남은 디스크" in found.detail


def test_an_environment_is_checked_whole(world: World, server: Sshd) -> None:
    host = pinned(world)
    down = Host.objects.create(
        environment=world.environment,
        name="db",
        role="db",
        address="127.0.0.1",
        port=1,
        user="x",
        host_key=host.host_key,
    )
    found = enrolment.check_environment(world.environment)
    assert sorted(outcome.ok for outcome in found) == [False, True]
    down.refresh_from_db()
    assert down.last_check_ok is False and "127.0.0.1:1" in down.last_check_detail
    assert enrolment.check_environment(world.environment) == []
    enrolment.check_environment_by_id(0)
