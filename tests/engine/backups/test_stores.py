"""Where Cloud Wiki keeps its own copies: in a folder and in a bucket, encrypted, and back to the host from there."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
from django.conf import LazySettings
from django.utils.translation import override

from releases import stores
from releases.audit import Actor
from releases.engine import backup_proofs, backup_returns, clock, errands, handover, retention
from releases.engine.errors import Conflict, EngineError
from releases.models import AuditEvent, Backup, BackupReturn
from tests.emulators.s3 import BUCKET, KEYS, S3Server
from tests.engine.backups.kinds import FOLDER
from tests.engine.database import Server, new_database
from tests.engine.stage import Stage


@pytest.fixture
def server(db: None) -> Iterator[Server]:
    with new_database() as made:
        made.session.execute("CREATE TABLE meal (id serial PRIMARY KEY, name text)")
        made.session.execute("INSERT INTO meal (name) SELECT 'a very secret meal' FROM generate_series(1, 100) n")
        yield made


@pytest.fixture
def dump(store: str, stage: Stage, server: Server, settings: LazySettings) -> Backup:
    settings.SSH_KEY_FILE = stage.server.client_key
    done = stage.perform("backup_database", {**server.parameters, "destination": "dump.sql"})
    assert done.problem == "", done.log
    return Backup.objects.get()


def send_back(stage: Stage, dump: Backup) -> BackupReturn:
    user = stage.world.requester
    made = backup_returns.ask(dump, user, Actor(user))
    backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    return made


@pytest.mark.django_db
def test_what_is_put_comes_back_and_is_closed_to_others(store: str, tmp_path: Path, settings: LazySettings) -> None:
    plain, back = tmp_path / "plain", tmp_path / "back"
    plain.write_bytes(b"secret" * 1_000_000)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    first, second = stores.put(plain, "shop/prod/1/dump.sql"), stores.put(plain, "shop/prod/1/dump.sql")
    assert first != second, "no copy is ever overwritten"
    for name in (first, second):
        stores.get(name, back, digest)
        assert back.read_bytes() == plain.read_bytes()
    key = tmp_path / "other.age"
    key.write_text(str(pyrage.x25519.Identity.generate()))
    with override("en"):
        with pytest.raises(stores.StoreError, match="SHA-256"):
            stores.get(first, back, "0" * 64)
        assert not back.exists()
        settings.BACKUPS_KEY_FILE = key
        with pytest.raises(stores.StoreError, match="can't be opened with the keys"):
            stores.get(first, back, digest)
    assert not back.exists()
    stores.remove(first)
    stores.remove(first)
    with pytest.raises(stores.StoreError):
        stores.get(first, back, digest)
    assert not list(Path(settings.BACKUPS_DIR).glob(".passing-*"))


def test_the_bucket_holds_nothing_readable(dump: Backup, store: str, request: pytest.FixtureRequest) -> None:
    if store == FOLDER:
        kept = Path(dump.copy_location)
        assert kept.suffix == ".age"
        return
    server: S3Server = request.getfixturevalue("s3")
    name = f"cloud-wiki/{dump.copy_location}"
    assert name in server.objects()
    body = server.client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
    assert body.startswith(b"age-encryption.org/v1\n") and b"secret meal" not in body


def test_a_lost_dump_is_sent_back_and_proved(stage: Stage, dump: Backup) -> None:
    place = Path(dump.location)
    place.unlink()
    sent = send_back(stage, dump)
    assert (sent.ending, sent.problem) == ("sent", "")
    assert hashlib.sha256(place.read_bytes()).hexdigest() == dump.sha256
    assert place.stat().st_mode & 0o077 == 0
    user = stage.world.requester
    proof = backup_proofs.ask(dump, user, Actor(user))
    backup_proofs.carry_out(proof.pk)
    proof.refresh_from_db()
    assert proof.ending == "proved", proof.output
    assert AuditEvent.objects.filter(action="backup.returned").count() == 1


def test_a_damaged_one_is_replaced_and_a_damaged_copy_is_not_sent(stage: Stage, dump: Backup, store: str) -> None:
    place = Path(dump.location)
    place.write_bytes(b"damaged")
    assert send_back(stage, dump).ending == "sent"
    good = place.read_bytes()
    Backup.objects.filter(pk=dump.pk).update(sha256="0" * 64)
    with override("en"):
        failed = send_back(stage, Backup.objects.get())
    assert failed.ending == "failed" and failed.problem
    assert place.read_bytes() == good


def test_one_at_a_time_and_none_without_a_copy(stage: Stage, dump: Backup) -> None:
    user = stage.world.requester
    backup_returns.ask(dump, user, Actor(user))
    with pytest.raises(Conflict):
        backup_returns.ask(dump, user, Actor(user))
    Backup.objects.filter(pk=dump.pk).update(copy_location="")
    with pytest.raises(EngineError):
        backup_returns.ask(Backup.objects.get(), user, Actor(user))


def test_a_host_that_is_away_and_a_worker_that_stops(
    stage: Stage, dump: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.server.stop()
    assert send_back(stage, dump).ending == "unreachable"
    stage.server.start()
    user = stage.world.requester
    made = backup_returns.ask(dump, user, Actor(user))
    with monkeypatch.context() as patch:
        patch.setattr(handover, "wanted", lambda: True)
        backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    assert (made.ending, made.seen_at) == ("", None)
    backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    assert made.ending == "sent", made.problem
    other = backup_returns.ask(dump, user, Actor(user))
    BackupReturn.objects.filter(pk=other.pk).update(asked_at=clock.now() - errands.GIVEN_UP * 2)
    backup_returns.send_again()
    other.refresh_from_db()
    assert other.ending == "failed"


def test_erasing_takes_the_copy_too(stage: Stage, dump: Backup, store: str, request: pytest.FixtureRequest) -> None:
    Backup.objects.filter(pk=dump.pk).update(removed_at=clock.now(), removed_because="person")
    retention.erase(dump.pk)
    dump.refresh_from_db()
    assert dump.erased_at is not None and not Path(dump.location).exists()
    with pytest.raises(stores.StoreError):
        stores.get(dump.copy_location, stage.folder / "back", dump.sha256)


def test_a_bucket_that_is_away_fails_the_step_and_names_no_secret(
    stage: Stage, server: Server, settings: LazySettings
) -> None:
    options: dict[str, Any] = {
        "bucket_name": BUCKET, "endpoint_url": "http://127.0.0.1:1", "region_name": "us-east-1", **KEYS,
        "location": "", "default_acl": None,
    }  # fmt: skip
    bucket = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "backups": bucket}
    with override("en"):
        done = stage.perform("backup_database", {**server.parameters, "destination": "dump.sql"})
    assert "backup store could not be reached" in done.problem
    assert KEYS["secret_key"] not in done.problem + done.log and KEYS["access_key"] not in done.problem + done.log
    assert not Backup.objects.exists() and (stage.home / "dump.sql").exists()


def test_a_full_disk_here_is_seen_before_anything_moves(
    stage: Stage, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "MARGIN", os.statvfs(stage.folder).f_frsize * os.statvfs(stage.folder).f_blocks)
    with override("en"):
        done = stage.perform("backup_database", {**server.parameters, "destination": "dump.sql"})
    assert "Too little room" in done.problem


def test_a_missing_key_is_not_replaced_once_there_are_copies(
    dump: Backup, settings: LazySettings, tmp_path: Path
) -> None:
    """With a new key the older copies could not be opened; with both keys in the file all can."""
    path = Path(settings.BACKUPS_KEY_FILE)
    old = path.read_text()
    path.unlink()
    with override("en"):
        with pytest.raises(stores.StoreError, match="Put it back there"):
            stores.get(dump.copy_location, tmp_path / "opened", dump.sha256)
        with pytest.raises(stores.StoreError, match="Put it back there"):
            stores.put(Path(dump.location), "another.sql")
    assert not path.exists()
    path.write_text(f"# the new one first\n{pyrage.x25519.Identity.generate()}\n{old}")
    stores.get(dump.copy_location, tmp_path / "opened", dump.sha256)
    name = stores.put(Path(dump.location), "another.sql")
    stores.get(name, tmp_path / "opened", dump.sha256)
    path.write_text(old)
    with override("en"), pytest.raises(stores.StoreError, match="can't be opened with the keys"):
        stores.get(name, tmp_path / "opened", dump.sha256)


def test_what_a_killed_process_left_on_its_way_is_removed(settings: LazySettings, data_dir: Path) -> None:
    folder = Path(settings.BACKUPS_DIR)
    with stores.passing_folder() as busy:
        left, young = folder / ".passing-left", folder / ".passing-young"
        for one in (left, young):
            one.mkdir()
            (one / "plain").write_text("not encrypted")
        for one in (left, busy):
            os.utime(one, (1_700_000_000, 1_700_000_000))
        with stores.passing_folder():
            assert not left.exists(), "nobody holds it"
            assert young.exists() and busy.exists()
