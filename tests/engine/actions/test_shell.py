"""Commands run as they are written; values reach them as data."""

import hashlib
import os
from pathlib import Path

import pytest

from releases.models import Artifact
from tests.engine.stage import Stage

HOSTILE = "a b'; touch pwned; \"$(touch pwned)`touch pwned`\n--x\n"


def test_it_runs_in_the_home_folder_and_shows_the_command_first(stage: Stage) -> None:
    done = stage.perform("shell", {"command": "echo out; echo err >&2; pwd"})
    assert done.problem == ""
    assert done.log.splitlines() == ["$ echo out; echo err >&2; pwd", "out", "err", str(stage.home)]


def test_it_runs_in_a_folder(stage: Stage) -> None:
    folder = stage.home / "deep folder"
    folder.mkdir()
    assert stage.perform("shell", {"command": "pwd", "folder": str(folder)}).log.splitlines()[-1] == str(folder)
    done = stage.perform("shell", {"command": "echo ran", "folder": str(stage.home / "nowhere")})
    assert done.exit_code not in (0, None)
    assert "nowhere" in done.problem
    assert "ran" not in done.log.splitlines()


def test_a_list_of_commands_means_what_a_shell_says(stage: Stage) -> None:
    assert stage.perform("shell", {"command": "false\necho went on"}).log.endswith("went on\n")
    stopped = stage.perform("shell", {"command": "false && echo went on"})
    assert stopped.exit_code == 1
    assert "went on" not in stopped.log.splitlines()
    assert stage.perform("shell", {"command": "exit 7"}).exit_code == 7


def test_a_hostile_value_is_only_data(stage: Stage) -> None:
    stage.variable("odd", HOSTILE)
    done = stage.perform(
        "shell", {"command": "printf '[%s]' {odd}; cat <<END\n{odd}\nEND"}, variables=[{"name": "odd"}]
    )
    assert f"[{HOSTILE}]" in done.log
    assert not list(stage.home.rglob("pwned"))


def test_a_secret_comes_as_a_file_and_is_masked_in_the_shown_command(stage: Stage) -> None:
    stage.secret("token", "hunter2-hunter2")
    done = stage.perform(
        "shell",
        {"command": "stat -c %a {token_file}; wc -c <{token_file}; env | grep -c hunter2"},
        variables=[{"name": "token", "type": "secret"}],
    )
    assert done.log.splitlines() == ["$ stat -c %a ••••••; wc -c <••••••; env | grep -c hunter2", "600", "15", "0"]


def test_on_the_controller_it_runs_in_the_workspace_without_our_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "do-not-leak")
    done = stage.perform("shell", {"command": "pwd; echo key=$SECRET_KEY"}, runs_on="controller")
    assert done.log.splitlines()[-2:] == [str(stage.workspace), "key="]


def test_it_records_what_it_produces(stage: Stage) -> None:
    Artifact.objects.create(release=stage.world.release, name="backend", path="build/app.jar")
    Artifact.objects.create(release=stage.world.release, name="frontend", path=".next", is_folder=True)
    command = "mkdir -p build .next/a; printf jar >build/app.jar; printf x >.next/a/b; ln -s a .next/l"
    done = stage.perform("shell", {"command": command, "produces": ["backend", "frontend"]}, runs_on="controller")
    assert done.problem == ""
    backend, frontend = stage.world.release.artifacts.order_by("name")
    assert (backend.size, backend.sha256) == (3, hashlib.sha256(b"jar").hexdigest())
    assert backend.recorded_at is not None
    assert (frontend.size, len(frontend.sha256)) == (1, 64)
    assert [entry["name"] for entry in done.context.evidence["artifacts"]] == ["backend", "frontend"]


def test_a_build_that_made_nothing_has_failed(stage: Stage) -> None:
    Artifact.objects.create(release=stage.world.release, name="backend", path="build/libs/app.jar")
    done = stage.perform("shell", {"command": "true", "produces": ["backend"]}, runs_on="controller")
    assert "build/libs/app.jar" in done.problem
    assert stage.world.release.artifacts.get().sha256 == ""
    unknown = stage.perform("shell", {"command": "true", "produces": ["other"]}, runs_on="controller")
    assert "other" in unknown.problem


def test_an_artifact_never_leads_into_our_own_data(stage: Stage, data_dir: Path) -> None:
    key = data_dir / "keys" / "secrets.key"
    key.parent.mkdir(exist_ok=True)
    key.write_text("key")
    Artifact.objects.create(release=stage.world.release, name="key", path=os.path.relpath(key, stage.workspace))
    done = stage.perform("shell", {"command": "true", "produces": ["key"]}, runs_on="controller")
    assert "Cloud Wiki" in done.problem


def test_a_password_prompt_ends_at_once_with_the_mend(stage: Stage) -> None:
    program = stage.home / "bin" / "sudo"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\nread x && exit\necho 'sudo: a terminal is required to read the password' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    done = stage.perform("shell", {"command": "sudo systemctl stop spring-boot"})
    assert done.exit_code == 1
    assert "NOPASSWD" in done.problem


def test_a_missing_program_is_named(stage: Stage) -> None:
    done = stage.perform("shell", {"command": "pm3 stop nextjs"})
    assert done.exit_code == 127
    assert "pm3" in done.problem
