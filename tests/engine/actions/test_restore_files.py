"""Backups put back: checked first, in place at once, and whole whenever the run is cut."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from django.utils.translation import override

from releases.models import Backup, Deployment
from tests.engine.actions.test_backup_files import shim
from tests.engine.stage import Done, Stage

OLD = {"index.html": "old page", "static/a'b $x.js": "old script", "link": "-> static"}
NEW = {"index.html": "new page", "static/only new.js": "new script"}


def make(folder: Path, files: dict[str, str]) -> None:
    """Make the folder hold these files, and no other."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)


def tree(folder: Path) -> dict[str, str]:
    """What a folder holds, as `make` takes it."""
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def end(deployment: Deployment) -> None:
    """The deployment was started and ended."""
    now = timezone.now()
    Deployment.objects.filter(pk=deployment.pk).update(status="succeeded", started_at=now, finished_at=now)


class App:
    """An application of one file and one folder, backed up by a deployment that then brought new ones."""

    def __init__(self, stage: Stage, names: tuple[str, str] = ("app.jar", ".next")) -> None:
        self.stage, self.folder = stage, stage.home / "app"
        self.jar, self.pages = (self.folder / name for name in names)
        self.store = stage.home / "backup dir"
        self.folder.mkdir(exist_ok=True)
        self.jar.write_text("old jar")
        self.jar.chmod(0o640)
        make(self.pages, OLD)
        self.pages.chmod(0o750)

    @property
    def files(self) -> list[dict[str, Any]]:
        return [
            {"path": str(self.jar), "link": "app.jar.bak"},
            {"path": f"{self.pages}/", "link": ".next.bak", "folder": True},
        ]

    def back_up(self) -> Deployment:
        done = self.stage.perform("backup_files", {"files": self.files, "destination": str(self.store)})
        assert done.problem == ""
        end(done.context.deployment)
        return done.context.deployment

    def deploy(self) -> None:
        self.jar.write_text("new jar")
        self.jar.chmod(0o600)
        make(self.pages, NEW)

    def restore(self, **more: Any) -> Done:
        with override("en"):
            return self.stage.perform("restore_files", {"files": self.files, "service": "backend", **more})

    def is_old(self) -> bool:
        return self.jar.read_text() == "old jar" and tree(self.pages) == OLD

    def is_new(self) -> bool:
        return self.jar.read_text() == "new jar" and tree(self.pages) == NEW

    def beside(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {self.jar.name, self.pages.name}


@pytest.fixture
def app(stage: Stage) -> App:
    app = App(stage)
    app.back_up()
    app.deploy()
    return app


def test_it_puts_a_file_and_a_folder_back(app: App) -> None:
    done = app.restore()
    assert done.problem == ""
    assert app.is_old()
    assert (app.jar.stat().st_mode & 0o777, app.pages.stat().st_mode & 0o777) == (0o640, 0o750)
    assert app.beside() == set()
    rows = {row.name: row for row in Backup.objects.all()}
    jar = rows["app.jar.bak"]
    assert done.context.evidence["restored"][0] == {
        "backup": jar.pk,
        "location": jar.location,
        "path": str(app.jar),
        "size": 7,
        "sha256": hashlib.sha256(b"old jar").hexdigest(),
    }
    assert [entry["location"] for entry in done.context.evidence["restored"]] == [
        rows[name].location for name in ("app.jar.bak", ".next.bak")
    ]
    assert done.log.splitlines()[0] == f"$ cp app.jar.bak {app.jar}"
    assert Path(jar.location).read_text() == "old jar"
    assert app.restore().problem == ""
    assert app.is_old()


def test_what_is_gone_comes_back(app: App) -> None:
    app.jar.unlink()
    shutil.rmtree(app.pages)
    assert app.restore().problem == ""
    assert app.is_old()


@pytest.mark.parametrize("names", [("a 'b' \"c\" $x `id`.jar", "-rf * [a] 한글"), ("-n", "~")])
def test_names_are_only_names(stage: Stage, names: tuple[str, str]) -> None:
    app = App(stage, names)
    app.back_up()
    app.deploy()
    (app.folder / "bystander").write_text("mine")
    if names[1] == "~":
        assert "'" in app.restore().problem
        return
    assert app.restore().problem == ""
    assert app.is_old()
    assert app.beside() == {"bystander"}


@pytest.mark.parametrize("path", ["/app/a\nb", "/", "~", "/app/..", "/app/.", ".", "x/\x07"])
def test_some_paths_are_refused(app: App, path: str) -> None:
    done = app.restore(files=[{"path": path, "link": "app.jar.bak"}])
    assert "can't be restored" in done.problem
    assert app.is_new()


def test_paths_that_overlap_are_refused(app: App) -> None:
    for path in (str(app.jar), f"~/app/{app.jar.name}", f"{app.pages}/inner"):
        done = app.restore(files=[*app.files, {"path": path, "link": "app.jar.bak"}])
        assert "stands twice, or lies in another" in done.problem, path
        assert app.is_new()


def damage(kind: str, jar: Path, pages: Path) -> None:
    if kind == "truncated":
        jar.write_text("old ja")
    elif kind == "bit flipped":
        jar.write_bytes(bytes([jar.read_bytes()[0] ^ 1]) + jar.read_bytes()[1:])
    elif kind == "empty":
        jar.write_text("")
    elif kind == "gone":
        jar.unlink()
    elif kind == "a link":
        jar.rename(jar.with_name("moved"))
        jar.symlink_to("moved")
    elif kind == "file of the folder gone":
        (pages / "index.html").unlink()
    elif kind == "file in the folder empty":
        (pages / "index.html").write_text("")
    elif kind == "one more in the folder":
        (pages / "more").write_text("")
    else:
        shutil.rmtree(pages)


@pytest.mark.parametrize(
    "kind",
    ["truncated", "bit flipped", "empty", "gone", "a link", "file of the folder gone", "file in the folder empty",
     "one more in the folder", "folder gone"],
)  # fmt: skip
def test_a_damaged_backup_changes_nothing(app: App, kind: str) -> None:
    rows = {row.name: Path(row.location) for row in Backup.objects.all()}
    before = app.jar.stat().st_ino
    damage(kind, rows["app.jar.bak"], rows[".next.bak"])
    problem = app.restore().problem
    lost = kind in {"gone", "a link", "folder gone"}
    assert ("is not there any more" if lost else "is damaged. Nothing was changed") in problem
    assert (
        str(rows["app.jar.bak" if kind in {"truncated", "bit flipped", "empty", "gone", "a link"} else ".next.bak"])
        in problem
    )
    assert app.is_new() and app.jar.stat().st_ino == before
    assert app.beside() == set()


def test_too_little_room_is_found_before_anything_is_copied(app: App) -> None:
    shim(app.stage, "df", "echo h; echo /dev/x 100 100 10 99% /")
    shim(app.stage, "cp", "echo copied; exit 1")
    done = app.restore()
    assert "Too little room" in done.problem and "10 kB free" in done.problem
    assert "copied" not in done.log
    assert app.is_new() and app.beside() == set()


def test_what_lies_on_one_disk_needs_room_together(app: App) -> None:
    shim(app.stage, "du", "printf '1000\\tx\\n'")
    shim(app.stage, "df", "echo h; echo /dev/x 9000 9000 2500 99% /")  # for one, not for both
    assert "3024 kB needed, 2500 kB free" in app.restore().problem


@pytest.fixture
def small_disk(stage: Stage) -> Iterator[Path]:
    place = stage.home / "app"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_fills_up_while_copying_changes_nothing(stage: Stage, small_disk: Path) -> None:
    app = App(stage)
    (app.pages / "big").write_bytes(b"x" * 300_000)
    app.back_up()
    app.deploy()
    (app.folder / "filler").write_bytes(b"x" * 1_900_000)
    assert "Too little room" in app.restore().problem
    shim(stage, "df", "echo h; echo /dev/x 9000 9000 9000 99% /")  # somebody else fills it a moment later
    problem = app.restore().problem
    assert "could not be copied. Nothing was changed" in problem and "disk is full" in problem
    assert app.is_new() and app.beside() == {"filler"}


def test_the_wrong_kind_of_thing_is_not_replaced(app: App) -> None:
    app.jar.unlink()
    app.jar.mkdir()
    assert "There is a folder at" in app.restore().problem
    app.jar.rmdir()
    shutil.rmtree(app.pages)
    app.pages.write_text("file")
    assert "is no folder" in app.restore().problem
    assert app.pages.read_text() == "file"
    app.folder.rename(app.folder.with_name("moved"))
    assert "where a backup belongs, is not there" in app.restore().problem


def test_links_to_a_release_stay_links_and_the_release_is_left_alone(app: App) -> None:
    releases = app.folder / "releases"
    make(releases / "43", NEW)
    (releases / "43.jar").write_text("new jar")
    shutil.rmtree(app.pages)
    app.jar.unlink()
    app.pages.symlink_to("releases/43/")
    app.jar.symlink_to(releases / "43.jar")
    assert app.restore().problem == ""
    assert app.is_old()
    assert (tree(releases / "43"), (releases / "43.jar").read_text()) == (NEW, "new jar")
    first = str(app.pages.readlink())
    assert first.startswith("releases/43.restored-")
    assert str(app.jar.readlink()).startswith(f"{releases}/43.jar.restored-")
    assert app.restore().problem == ""
    assert app.is_old() and str(app.pages.readlink()) != first
    assert len(list(releases.iterdir())) == 4, "what an earlier restore brought is gone"
    assert app.beside() == {"releases"}


def test_a_folder_that_nobody_may_write_in_is_replaced(app: App) -> None:
    (app.pages / "static").chmod(0o555)
    app.pages.chmod(0o555)
    assert app.restore().problem == ""
    assert app.is_old() and app.beside() == set()


def test_no_backup_is_said_so(app: App) -> None:
    problem = app.restore(files=[{"path": str(app.jar), "link": "other.bak"}]).problem
    assert problem.startswith("There is no backup other.bak of prod-1 from before the deployment that is undone.")
    with override("ko"):
        done = app.stage.perform("restore_files", {"files": [{"path": str(app.jar), "link": "other.bak"}]})
        assert "other.bak" in done.problem and "하세요" in done.problem
