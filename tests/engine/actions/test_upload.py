"""What was built arrives whole, under its name, or not at all."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from django.utils.translation import override

from releases.actions import artifacts
from releases.models import Artifact
from tests.engine.stage import STEP, Stage


def jar(stage: Stage, content: bytes = b"jar" * 1000) -> Artifact:
    (stage.workspace / "app.jar").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Artifact.objects.create(release=stage.world.release, name="backend", path="app.jar", sha256=digest)


def test_a_destination_with_a_slash_is_the_folder_to_put_it_in(stage: Stage) -> None:
    artifact = jar(stage)
    (stage.home / "backend").mkdir()
    told: list[tuple[int, int]] = []
    deployment = stage.draft(
        [{**STEP, "action": "upload", "parameters": {"artifact": "backend", "destination": f"{stage.home}/backend/"}}]
    )
    done = stage.attempt(deployment, progress=lambda d, t: told.append((d, t)))
    assert done.problem == ""
    assert (stage.home / "backend" / "app.jar").read_bytes() == b"jar" * 1000
    assert done.context.evidence["sha256"] == artifact.sha256
    assert (done.context.evidence["size"], done.context.evidence["files_sent"]) == (3000, 1)
    assert done.log.startswith("$ scp ")
    assert "100 %" in done.log
    assert artifact.sha256 in done.log


def test_a_relative_destination_starts_at_the_home_folder(stage: Stage) -> None:
    jar(stage)
    assert stage.perform("upload", {"source": "app.jar", "destination": "new.jar"}).problem == ""
    assert (stage.home / "new.jar").stat().st_size == 3000


def test_a_folder_is_sent_and_its_digest_is_the_one_recorded(stage: Stage) -> None:
    folder = stage.workspace / ".next"
    (folder / "static").mkdir(parents=True)
    (folder / "static" / "한글.js").write_text("x")
    (folder / "link").symlink_to("static")
    (folder / "empty").mkdir()
    row = Artifact(release=stage.world.release, name="frontend", path=".next", is_folder=True)
    artifacts.record(row)
    parameters = {"artifact": "frontend", "destination": "~/", "folder": True}
    done = stage.perform("upload", parameters)
    assert done.problem == ""
    assert done.context.evidence["sha256"] == row.sha256
    assert (stage.home / ".next" / "static" / "한글.js").read_text() == "x"
    assert (stage.home / ".next" / "link").readlink() == Path("static")
    (folder / "static" / "한글.js").write_text("y")
    again = stage.perform("upload", {**parameters, "artifact": "", "source": ".next"})
    assert again.context.evidence["files_sent"] == 1


def test_a_file_that_is_not_the_recorded_one_is_not_sent(stage: Stage) -> None:
    jar(stage)
    (stage.workspace / "app.jar").write_bytes(b"another")
    (stage.home / "app.jar").write_text("old")
    done = stage.perform("upload", {"artifact": "backend", "destination": f"{stage.home}/app.jar"})
    assert "backend" in done.problem
    assert hashlib.sha256(b"another").hexdigest()[:12] in done.problem
    assert (stage.home / "app.jar").read_text() == "old"


def test_a_record_changed_after_the_plan_does_not_count(stage: Stage) -> None:
    artifact = jar(stage)
    deployment = stage.draft(
        [{**STEP, "action": "upload", "parameters": {"artifact": "backend", "destination": f"{stage.home}/"}}]
    )
    (stage.workspace / "app.jar").write_bytes(b"another")
    artifacts.record(artifact)
    assert "backend" in stage.attempt(deployment).problem


@pytest.mark.parametrize("parameters", [{"artifact": "none"}, {"source": "gone.jar"}, {"source": ".", "folder": False}])
def test_what_is_missing_is_named(stage: Stage, parameters: dict[str, object]) -> None:
    done = stage.perform("upload", {**parameters, "destination": f"{stage.home}/x"})
    assert str(parameters.get("artifact") or parameters["source"]) in done.problem
    assert not (stage.home / "x").exists()


def test_a_folder_that_is_not_there_on_the_host_fails_with_its_name(stage: Stage) -> None:
    jar(stage)
    done = stage.perform("upload", {"artifact": "backend", "destination": f"{stage.home}/no/app.jar"})
    assert f"{stage.home}/no" in done.problem


def test_it_lets_go_when_told(stage: Stage) -> None:
    jar(stage)
    deployment = stage.draft(
        [{**STEP, "action": "upload", "parameters": {"artifact": "backend", "destination": f"{stage.home}/"}}]
    )
    done = stage.attempt(deployment, stop=lambda: True)
    assert done.problem == ""
    assert "sha256" not in done.context.evidence
    assert not Path(stage.home / "app.jar").exists()


def test_a_file_that_changes_while_it_is_sent_does_not_arrive(stage: Stage) -> None:
    (stage.workspace / "app.jar").write_bytes(b"as it was read")
    (stage.home / "app.jar").write_text("old")
    parameters = {"source": "app.jar", "destination": f"{stage.home}/app.jar"}

    def build(_done: int, _total: int) -> None:
        (stage.workspace / "app.jar").write_bytes(b"built anew meanwhile")

    with override("en"):
        done = stage.attempt(stage.draft([{**STEP, "action": "upload", "parameters": parameters}]), progress=build)
    assert "app.jar changed while it was sent" in done.problem
    assert (stage.home / "app.jar").read_text() == "old"
    assert [path.name for path in stage.home.glob("*.jar*")] == ["app.jar"]
    assert not list(stage.home.glob(".app.jar*"))


def test_a_file_that_can_not_be_read_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    jar(stage)

    def refuse(*_arguments: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", refuse)
    done = stage.perform("upload", {"artifact": "backend", "destination": f"{stage.home}/app.jar"})
    assert "app.jar" in done.problem and "Input/output error" in done.problem
    assert not (stage.home / "app.jar").exists()
