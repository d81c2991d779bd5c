"""Copies with names of their own, a link to the newest, and never a loss of an older one."""

import hashlib
from pathlib import Path

import pytest
from django.utils.translation import override

from releases.models import Backup
from tests.engine.stage import STEP, Stage


def parameters(home: Path) -> dict[str, object]:
    return {
        "files": [
            {"path": f"{home}/app/app.jar", "link": "app.jar.bak"},
            {"path": f"{home}/app/.next", "link": ".next.bak", "folder": True},
        ],
        "destination": f"{home}/backup dir",
        "service": "backend",
    }


@pytest.fixture
def app(stage: Stage) -> Path:
    app = stage.home / "app"
    (app / ".next" / "static").mkdir(parents=True)
    (app / ".next" / "static" / "a'b $x.js").write_text("12345")
    (app / ".next" / "link").symlink_to("static")
    (app / "app.jar").write_bytes(b"jar 1")
    return app


def shim(stage: Stage, name: str, text: str) -> None:
    """A program that comes first on the host's PATH."""
    program = stage.home / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def test_each_attempt_has_copies_of_its_own_and_the_link_names_the_newest(stage: Stage, app: Path) -> None:
    deployment = stage.draft([{**STEP, "action": "backup_files", "parameters": parameters(stage.home)}])
    assert stage.attempt(deployment).problem == ""
    (app / "app.jar").write_bytes(b"jar 2 is longer")
    deployment.steps.get().attempts.all().update(finished_at="2026-01-01T00:00:00Z", status="failed")
    done = stage.attempt(deployment, number=2)
    assert done.problem == ""
    store = stage.home / "backup dir"
    first, second = (store / f"app.jar.bak-{deployment.pk}-{n}" for n in (1, 2))
    assert (first.read_bytes(), second.read_bytes()) == (b"jar 1", b"jar 2 is longer")
    assert (store / "app.jar.bak").readlink() == Path(second.name)
    assert (store / ".next.bak" / "static" / "a'b $x.js").read_text() == "12345"
    assert (store / ".next.bak" / "link").readlink() == Path("static")
    rows = list(Backup.objects.filter(attempt=done.context.attempt).order_by("pk"))
    assert [(row.name, row.size, row.location) for row in rows] == [
        ("app.jar.bak", 15, str(second)),
        (".next.bak", 5, f"{store}/.next.bak-{deployment.pk}-2"),
    ]
    assert rows[0].sha256 == hashlib.sha256(b"jar 2 is longer").hexdigest()
    assert rows[0].service is not None and rows[0].host == stage.world.host
    leftovers = {path.name for path in store.iterdir()} - {row.name for row in rows}
    assert not [name for name in leftovers if ".list" in name or name.endswith(".link")]


def test_keeping_the_rows_twice_makes_no_second_row(stage: Stage, app: Path) -> None:
    from releases.actions import registry
    from releases.actions.base import ScriptAction
    from releases.remote.connection import open_transport

    done = stage.perform("backup_files", parameters(stage.home))
    action = registry.find("backup_files")
    assert isinstance(action, ScriptAction)
    transport = open_transport(stage.server.target)
    done.context.transport = lambda: transport
    action.succeeded(done.context)
    transport.close()
    assert Backup.objects.count() == 2


def test_a_copy_made_by_hand_is_kept(stage: Stage, app: Path) -> None:
    store = stage.home / "backup dir"
    store.mkdir()
    (store / "app.jar.bak").write_text("by hand")
    done = stage.perform("backup_files", parameters(stage.home))
    assert done.problem == ""
    assert (store / "app.jar.bak").read_bytes() == b"jar 1"
    kept = store / f"app.jar.bak-before-{done.context.deployment.pk}-1"
    assert kept.read_text() == "by hand"


@pytest.mark.parametrize("gone", ["app.jar", ".next"])
def test_a_missing_source_is_named_and_nothing_is_made(stage: Stage, app: Path, gone: str) -> None:
    (app / gone).rename(app / "moved")
    done = stage.perform("backup_files", parameters(stage.home))
    assert f"{app}/{gone}" in done.problem
    assert not (stage.home / "backup dir").exists()
    assert not Backup.objects.exists()


def test_too_little_room_is_found_before_anything_is_copied(stage: Stage, app: Path) -> None:
    shim(stage, "df", "echo h; echo /dev/x 100 100 10 99% /")
    done = stage.perform("backup_files", parameters(stage.home))
    assert "10 kB" in done.problem
    assert list((stage.home / "backup dir").iterdir()) == []


def test_a_failure_half_way_leaves_the_old_backup_as_it_was(stage: Stage, app: Path) -> None:
    assert stage.perform("backup_files", parameters(stage.home)).problem == ""
    store = stage.home / "backup dir"
    before = {path.name: path.lstat().st_ino for path in store.iterdir()}
    shim(stage, "cp", 'case $1 in -a) echo "cp: No space left on device" >&2; exit 1;; esac; exec /bin/cp "$@"')
    done = stage.perform("backup_files", parameters(stage.home))
    assert done.exit_code == 1
    assert done.problem
    assert {path.name: path.lstat().st_ino for path in store.iterdir()} == before
    assert Backup.objects.count() == 2


def test_a_link_must_be_a_plain_name(stage: Stage, app: Path) -> None:
    hostile = {"files": [{"path": f"{app}/app.jar", "link": "../app/app.jar"}], "destination": f"{stage.home}/b"}
    assert "../app/app.jar" in stage.perform("backup_files", hostile).problem


def test_a_file_that_changes_while_it_is_copied_is_not_kept(stage: Stage, app: Path) -> None:
    shim(stage, "cp", f'/bin/cp "$@" && case $1 in -pL) echo more >>"{app}/app.jar" ;; esac')
    with override("en"):
        done = stage.perform("backup_files", parameters(stage.home))
    assert done.problem.startswith(f"{app}/app.jar changed while it was copied.")
    assert list((stage.home / "backup dir").iterdir()) == []
    assert not Backup.objects.exists()
