"""Proving a backup because a person asked, on a real host, and everything that may come between."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils.translation import override

from releases.actions import brief
from releases.audit import Actor
from releases.engine import backup_proofs, clock, errands, handover, wake
from releases.engine.errors import Conflict, EngineError
from releases.models import AuditEvent, Backup, BackupProof, Host
from releases.remote.steps import StepStatus
from tests.engine.database import Server, databases, new_database
from tests.engine.stage import Stage

type Ask = Callable[[Backup], BackupProof]


@pytest.fixture
def server(db: None) -> Iterator[Server]:
    with new_database() as made:
        made.session.execute("CREATE TABLE meal (id serial PRIMARY KEY, name text)")
        made.session.execute("INSERT INTO meal (name) SELECT n FROM generate_series(1, 100) n")
        yield made


@pytest.fixture
def files(stage: Stage, settings: LazySettings) -> list[Backup]:
    """Backups of a file and of a folder."""
    settings.SSH_KEY_FILE = stage.server.client_key
    (stage.home / "app.jar").write_bytes(b"the jar" * 1000)
    (stage.home / ".next" / "static").mkdir(parents=True)
    (stage.home / ".next" / "static" / "a b.js").write_text("js")
    (stage.home / ".next" / "link").symlink_to("static")
    wanted: list[dict[str, Any]] = [
        {"path": "app.jar", "link": "app.jar.bak"},
        {"path": ".next", "link": ".next.bak", "folder": True},
    ]
    done = stage.perform("backup_files", {"files": wanted, "destination": "kept"})
    assert done.problem == ""
    return list(Backup.objects.order_by("pk"))


@pytest.fixture
def dump(stage: Stage, server: Server, settings: LazySettings) -> Backup:
    settings.SSH_KEY_FILE = stage.server.client_key
    assert stage.perform("backup_database", {**server.parameters, "destination": "dump"}).problem == ""
    return Backup.objects.get()


@pytest.fixture
def prove(stage: Stage) -> Ask:
    """Ask for a proof, carry it out, and give what is kept of it."""

    def made(backup: Backup) -> BackupProof:
        user = stage.world.requester
        asked = backup_proofs.ask(backup, user, Actor(user))
        backup_proofs.carry_out(asked.pk)
        asked.refresh_from_db()
        backup.refresh_from_db()
        return asked

    return made


def test_files_are_proved_and_a_damaged_one_is_refuted(stage: Stage, files: list[Backup], prove: Ask) -> None:
    for backup in files:
        proof = prove(backup)
        assert (proof.ending, proof.problem) == ("proved", ""), proof.output
        assert backup.proved_at == proof.ended_at is not None
        assert backup.restore_seconds == proof.seconds is not None
    assert [event.detail["ending"] for event in AuditEvent.objects.filter(action="backup.proved")] == ["proved"] * 2
    jar, folder = files
    Path(jar.location).write_bytes(b"the jar" * 999)
    with Path(folder.location, "static", "a b.js").open("a") as file:
        file.write("!")
    with override("en"):
        for backup in files:
            proof = prove(backup)
            assert proof.ending == "refuted", proof.output
            assert backup.location in proof.problem
            assert (backup.proved_at, backup.restore_seconds) == (None, None)
    assert not [path.name for path in (stage.home / "kept").iterdir() if path.name.startswith(".proof")]


def test_a_dump_is_proved(stage: Stage, dump: Backup, prove: Ask) -> None:
    proof = prove(dump)
    assert (proof.ending, proof.problem, proof.differences) == ("proved", "", []), proof.output
    assert not [name for name in databases() if proof.remote_id[-32:] in name]
    assert "restored in" in proof.output
    Path(dump.location).unlink()
    assert prove(dump).ending == "refuted"
    assert dump.proved_at is None


def test_one_at_a_time_and_none_where_the_host_is_gone(stage: Stage, dump: Backup) -> None:
    user = stage.world.requester
    backup_proofs.ask(dump, user, Actor(user))
    with pytest.raises(Conflict):
        backup_proofs.ask(dump, user, Actor(user))
    Host.objects.filter(pk=dump.host_id).delete()
    dump.refresh_from_db()
    with pytest.raises(EngineError):
        backup_proofs.ask(dump, user, Actor(user))


def test_a_host_that_is_away_says_nothing_about_the_backup(stage: Stage, dump: Backup, prove: Ask) -> None:
    assert prove(dump).ending == "proved"
    proved_at = dump.proved_at
    stage.server.stop()
    proof = prove(dump)
    assert proof.ending == "unreachable"
    assert dump.proved_at == proved_at


def test_a_worker_that_stops_leaves_it_to_the_next_one(
    stage: Stage, dump: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = stage.world.requester
    proof = backup_proofs.ask(dump, user, Actor(user))
    with monkeypatch.context() as patch:
        patch.setattr(handover, "wanted", lambda: True)
        backup_proofs.carry_out(proof.pk)
    proof.refresh_from_db()
    assert (proof.ending, proof.seen_at) == ("", None)
    backup_proofs.carry_out(proof.pk)
    proof.refresh_from_db()
    assert proof.ending == "proved", (proof.problem, proof.output)


def test_a_worker_that_died_is_followed_and_one_that_woke_late_writes_nothing(
    stage: Stage, dump: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = stage.world.requester
    proof = backup_proofs.ask(dump, user, Actor(user))
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: sent.append(arguments) or True)
    run = brief.run

    def frozen(*arguments: Any, **named: Any) -> brief.Answer:
        monkeypatch.setattr(brief, "run", run)
        BackupProof.objects.filter(pk=proof.pk).update(seen_at=clock.now() - errands.ABANDONED * 2)
        backup_proofs.send_again()
        backup_proofs.carry_out(proof.pk)  # the one that comes after
        return brief.Answer(StepStatus("unknown", None, "vanished", 0, None), b"late", False, "")

    monkeypatch.setattr(brief, "run", frozen)
    backup_proofs.carry_out(proof.pk)
    proof.refresh_from_db()
    assert proof.ending == "proved", (proof.problem, proof.output)
    assert sent == [("prove_backup", proof.pk)]
    backup_proofs.carry_out(proof.pk)  # an old message
    assert AuditEvent.objects.filter(action="backup.proved").count() == 1


def test_nobody_waits_for_ever(stage: Stage, dump: Backup) -> None:
    user = stage.world.requester
    proof = backup_proofs.ask(dump, user, Actor(user))
    BackupProof.objects.update(asked_at=clock.now() - errands.GIVEN_UP - timedelta(minutes=1))
    backup_proofs.send_again()
    proof.refresh_from_db()
    assert proof.ending == "impossible"
    assert "12" in proof.problem
