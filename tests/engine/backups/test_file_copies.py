"""Copies of files and folders in the store: kept where the runbook asks for it, and whole again on their host."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils.translation import override

from releases import stores
from releases.actions import store_copies
from releases.actions.texts import shell_text
from releases.audit import Actor
from releases.engine import backup_orders, backup_proofs, backup_returns, clock, errands, handover, retention, returning
from releases.models import AuditEvent, Backup, BackupReturn, Deployment, Removal
from releases.remote.archives import folder_digests, open_folders
from tests.emulators.s3 import BUCKET, S3Server
from tests.engine.actions.test_backup_files import parameters, shim
from tests.engine.backups.kinds import S3
from tests.engine.remote.test_folders import make_tree, same
from tests.engine.stage import Done, Stage
from tests.engine.team import Team


@pytest.fixture
def app(stage: Stage, settings: LazySettings) -> Path:
    settings.SSH_KEY_FILE = stage.server.client_key
    folder = stage.home / "app"
    (folder / ".next").mkdir(parents=True)
    make_tree(folder / ".next")
    (folder / ".next" / "twice").hardlink_to(folder / ".next" / "run.sh")
    (folder / ".next" / "closed").mkdir()
    (folder / ".next" / "closed" / "in").write_text("in")
    (folder / ".next" / "closed").chmod(0o555)
    (folder / "app.jar").write_bytes(b"a very secret jar" * 1000)
    (folder / "app.jar").chmod(0o741)
    return folder


def back_up(stage: Stage, **more: Any) -> Done:
    with override("en"):
        return stage.perform("backup_files", {**parameters(stage.home), "store": True, **more})


def rows() -> tuple[Backup, Backup]:
    """The file's and the folder's."""
    jar, folder = Backup.objects.order_by("pk")
    return jar, folder


def send_back(stage: Stage, backup: Backup) -> BackupReturn:
    user = stage.world.requester
    made = backup_returns.ask(backup, user, Actor(user))
    with override("en"):
        backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    return made


def lose(path: Path) -> None:
    if path.is_dir():
        subprocess.run(["rm", "-rf", str(path)], check=True)
    else:
        path.unlink()


def left_in(folder: Path) -> list[str]:
    """What a way back left beside the copies."""
    return [path.name for path in folder.iterdir() if ".upload-" in path.name or ".previous-" in path.name]


def test_without_the_word_nothing_is_kept_here(stage: Stage, app: Path) -> None:
    done = back_up(stage, store=False)
    assert done.problem == ""
    assert [row.copy_location for row in rows()] == ["", ""]
    assert not list(Path(stage.folder / "backups").rglob("*.age"))


def test_both_are_kept_encrypted_and_come_back_as_they_were(
    stage: Stage, app: Path, store: str, request: pytest.FixtureRequest
) -> None:
    done = back_up(stage)
    assert done.problem == "", done.log
    jar, folder = rows()
    assert jar.copy_location.endswith(".age") and folder.copy_location.endswith(".tar.age")
    assert [entry["copy"] for entry in done.context.evidence["backups"]] == [jar.copy_location, folder.copy_location]
    if store == S3:
        server: S3Server = request.getfixturevalue("s3")
        body = server.client.get_object(Bucket=BUCKET, Key=f"cloud-wiki/{jar.copy_location}")["Body"].read()
    else:
        body = (stage.folder / "backups" / jar.copy_location).read_bytes()
    assert body.startswith(b"age-encryption.org/v1\n") and b"secret jar" not in body
    shutil.rmtree(stage.home / "backup dir")  # all that was there
    for row in (jar, folder):
        sent = send_back(stage, row)
        assert (sent.ending, sent.problem) == ("sent", "")
    assert Path(jar.location).read_bytes() == (app / "app.jar").read_bytes()
    assert Path(jar.location).stat().st_mode & 0o7777 == 0o741
    assert same(Path(folder.location), app / ".next")
    assert left_in(stage.home / "backup dir") == []
    user = stage.world.requester
    for row in (jar, folder):
        proof = backup_proofs.ask(row, user, Actor(user))
        backup_proofs.carry_out(proof.pk)
        proof.refresh_from_db()
        assert proof.ending == "proved", proof.output
    assert AuditEvent.objects.filter(action="backup.returned").count() == 2
    for row in (jar, folder):
        Backup.objects.filter(pk=row.pk).update(removed_at=clock.now(), removed_because=Removal.PERSON)
        retention.erase(row.pk)
        row.refresh_from_db()
        assert row.erased_at is not None and not Path(row.location).exists()
        with pytest.raises(stores.StoreError):
            stores.get(row.copy_location, stage.folder / "back", row.sha256)


def test_a_good_copy_is_left_and_a_damaged_one_replaced(stage: Stage, app: Path) -> None:
    assert back_up(stage).problem == ""
    _jar, folder = rows()
    place = Path(folder.location)
    inode = place.stat().st_ino
    assert send_back(stage, folder).ending == "sent"
    assert place.stat().st_ino == inode, "it was good: nothing was put there"
    (place / "added").write_text("not of the copy")
    assert send_back(stage, folder).ending == "sent"
    assert same(place, app / ".next") and left_in(place.parent) == []
    lose(place)
    place.symlink_to(app)
    assert send_back(stage, folder).ending == "sent"
    assert not place.is_symlink() and same(place, app / ".next") and (app / "app.jar").exists()


def test_a_host_with_busybox_keeps_and_gets_the_same(stage: Stage, app: Path) -> None:
    for tool in ("tar", "sha256sum", "find", "stat"):
        shim(stage, tool, f'exec busybox {tool} "$@"')
    done = back_up(stage)
    assert done.problem == "", done.log
    _jar, folder = rows()
    lose(Path(folder.location))
    sent = send_back(stage, folder)
    assert (sent.ending, sent.problem) == ("sent", "")
    assert same(Path(folder.location), app / ".next")


@pytest.mark.parametrize("packer", [["tar"], ["busybox", "tar"]])
@pytest.mark.parametrize("shell", [["sh"], ["busybox", "sh"]])
def test_a_tar_says_what_the_host_says_of_its_folder(tmp_path: Path, packer: list[str], shell: list[str]) -> None:
    folder, archive = tmp_path / "tree", tmp_path / "tree.tar"
    folder.mkdir()
    make_tree(folder)
    (folder / "twice").hardlink_to(folder / "run.sh")
    os.mkfifo(folder / "pipe")
    subprocess.run([*packer, "-cf", archive, "-C", folder, "."], check=True)
    script = f'{shell_text("machine.sh")}\nfolder_sum "$1"\nprintf %s "$SUM"'
    said = subprocess.run([*shell, "-c", script, "x", folder], check=True, capture_output=True, text=True).stdout
    assert said in folder_digests(archive)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")
@pytest.mark.parametrize("packer", [["tar"], ["busybox", "tar"]])
@pytest.mark.parametrize("unpacker", [["tar"], ["busybox", "tar"]])
def test_folders_that_nobody_may_write_in_are_unpacked_by_anybody(packer: list[str], unpacker: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        closed = place / "tree" / ("long name " * 20) / "closed"
        (closed / "inner").mkdir(parents=True)
        (closed / "inner" / "file").write_text("x")
        (closed / "empty").mkdir(0o500)
        (closed / "inner").chmod(0o555)
        closed.chmod(0o511)
        archive, back = place / "tree.tar", place / "back"
        subprocess.run([*packer, "-cf", archive, "-C", place / "tree", "."], check=True)
        before = folder_digests(archive)
        open_folders(archive)
        assert not before & folder_digests(archive), "only now are folders in it twice"
        archive.chmod(0o644)
        subprocess.run(["mkdir", back], check=True, user="nobody")
        subprocess.run([*unpacker, "-xpf", archive, "-C", back], check=True, user="nobody")
        assert (back / closed.relative_to(place / "tree") / "inner" / "file").read_text() == "x"
        # BusyBox leaves the permission bits of a folder that is there already.
        assert same(back, place / "tree") == (unpacker == ["tar"])


def test_a_store_that_fills_up_fails_the_step_and_the_hosts_copies_stay(
    stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert back_up(stage).problem == ""
    older = {row.pk: row.copy_location for row in rows()}
    disk = os.statvfs(stage.folder)
    with monkeypatch.context() as patch:
        patch.setattr(stores, "MARGIN", disk.f_frsize * disk.f_blocks)
        done = back_up(stage)
    assert "Too little room" in done.problem
    new = Backup.objects.exclude(pk__in=older)
    assert [row.copy_location for row in new] == ["", ""]
    assert all(Path(row.location).exists() for row in Backup.objects.all())
    assert {row.pk: row.copy_location for row in Backup.objects.filter(pk__in=older)} == older
    assert len(done.context.evidence["backups"]) == 2


@pytest.mark.parametrize("full", ["plain", "sealed"])
def test_a_disk_that_fills_up_half_way_is_told(
    stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch, full: str
) -> None:
    written = stores.written

    def on_a_full_disk(path: Path) -> Any:
        if path.name == full:
            path.unlink(missing_ok=True)
            path.symlink_to("/dev/full")
        return written(path)

    monkeypatch.setattr(stores, "written", on_a_full_disk)
    done = stage_folder_only(stage)
    assert "filled up. Older backups are as they were" in done.problem
    backups = stage.folder / "backups"
    assert not list(backups.rglob("*.age")) and not list(backups.glob(".passing-*"))


def stage_folder_only(stage: Stage) -> Done:
    files = [{"path": f"{stage.home}/app/.next", "link": ".next.bak", "folder": True}]
    return back_up(stage, files=files)


def test_a_folder_that_changes_before_it_is_fetched_is_not_kept(
    stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = store_copies.fetch_folder

    def late(transport: Any, path: str, *arguments: Any, **named: Any) -> None:
        (Path(path) / "run.sh").write_text("changed")
        fetch(transport, path, *arguments, **named)

    monkeypatch.setattr(store_copies, "fetch_folder", late)
    done = stage_folder_only(stage)
    assert "changed after it was backed up" in done.problem
    assert Backup.objects.get().copy_location == ""


def test_a_tar_of_another_folder_and_one_that_breaks_off_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar"
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("./a")
        info.size = 5000
        tar.addfile(info, io.BytesIO(b"x" * 5000))
    whole = archive.read_bytes()
    listing = f"{hashlib.sha256(b'x' * 5000).hexdigest()}  ./a\n".encode()
    assert folder_digests(archive) == {hashlib.sha256(listing).hexdigest()}
    archive.write_bytes(whole[:3000])
    from releases.remote.errors import TransferFailed

    with pytest.raises(TransferFailed):
        folder_digests(archive)


def test_keeping_twice_makes_no_second_copy(stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert back_up(stage).problem == ""
    before = sorted(Path(stage.folder / "backups").rglob("*.age"))
    way = store_copies.Way(None, "x")  # type: ignore[arg-type]
    store_copies.keep_each(rows(), "1", way)
    assert sorted(Path(stage.folder / "backups").rglob("*.age")) == before


def test_one_given_up_meanwhile_leaves_no_copy(stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put = stores.put

    def late(source: Path, name: str) -> str:
        Backup.objects.update(removed_at=clock.now(), removed_because=Removal.PERSON)
        return put(source, name)

    monkeypatch.setattr(stores, "put", late)
    assert stage_folder_only(stage).problem == ""
    assert Backup.objects.get().copy_location == ""
    assert not list(Path(stage.folder / "backups").rglob("*.age"))


def test_a_way_back_that_fails_leaves_what_is_there(stage: Stage, app: Path) -> None:
    assert back_up(stage).problem == ""
    _jar, folder = rows()
    place = Path(folder.location)
    (place / "added").write_text("damaged")
    shim(stage, "tar", 'case $1 in -xpf) exit 2;; esac; exec /usr/bin/tar "$@"')
    failed = send_back(stage, folder)
    assert failed.ending == "failed" and "사본을 풀지 못했습니다" in failed.problem
    assert (place / "added").exists() and left_in(place.parent) == []
    shim(stage, "tar", '/usr/bin/tar "$@"; [ "$1" != -xpf ] || echo x >"$4/more"')
    failed = send_back(stage, folder)
    assert failed.ending == "failed" and "백업한 것과 다릅니다" in failed.problem
    assert (place / "added").exists() and left_in(place.parent) == []


def test_a_worker_that_stops_while_it_unpacks_is_followed(
    stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert back_up(stage).problem == ""
    _jar, folder = rows()
    lose(Path(folder.location))
    shim(stage, "tar", 'sleep 2; exec /usr/bin/tar "$@"')
    user, upload = stage.world.requester, returning.upload_file
    made = backup_returns.ask(folder, user, Actor(user))
    with monkeypatch.context() as patch:

        def then_stop(*arguments: Any, **named: Any) -> Any:
            done = upload(*arguments, **named)
            patch.setattr(handover, "wanted", lambda: True)
            return done

        patch.setattr(returning, "upload_file", then_stop)
        backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    assert (made.ending, made.seen_at) == ("", None)
    backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    assert made.ending == "sent", made.problem
    assert same(Path(folder.location), app / ".next") and left_in(stage.home / "backup dir") == []


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_busy_for_long_is_not_taken_for_dead(
    stage: Stage, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert back_up(stage).problem == ""
    jar, _folder = rows()
    user, get, seen = stage.world.requester, stores.get, []
    made = backup_returns.ask(jar, user, Actor(user))

    def slowly(*arguments: Any) -> None:
        for _turn in range(10):
            time.sleep(0.1)
            seen.append(BackupReturn.objects.values_list("seen_at", flat=True).get(pk=made.pk))
        get(*arguments)

    monkeypatch.setattr(errands, "PULSE", 0.1)
    monkeypatch.setattr(stores, "get", slowly)
    backup_returns.carry_out(made.pk)
    made.refresh_from_db()
    assert (made.ending, made.problem) == ("sent", "")
    assert len(set(seen)) > 3


@pytest.mark.django_db(transaction=True)
def test_an_order_keeps_them_too_and_gives_all_up_when_disturbed(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.deploy_steps[0]["parameters"]["store"] = True
    team.world.save_runbook(team.deploy_runbook())
    first = team.deploy("1.0")
    assert all(row.copy_location for row in first.backups.all())
    user, draft, keep_each = team.world.requester, team.draft("2.0"), store_copies.keep_each

    def order() -> Any:
        made = backup_orders.ask(team.environment, {"files"}, user, Actor(user))[0]
        backup_orders.carry_out(made.pk)
        made.refresh_from_db()
        return made

    good = order()
    assert good.ending == "taken", good.problem
    assert all(row.copy_location for row in Backup.objects.filter(order=good))

    def full(*arguments: Any) -> None:
        Deployment.objects.filter(pk=draft.pk).update(
            status="cancelled", started_at=clock.now(), finished_at=clock.now()
        )
        monkeypatch.setattr(stores, "MARGIN", 1 << 60)
        keep_each(*arguments)

    monkeypatch.setattr(store_copies, "keep_each", full)
    bad = order()
    assert bad.ending == "failed" and bad.problem
    assert set(Backup.objects.filter(order=bad).values_list("removed_because", flat=True)) == {"disturbed"}
