"""The script that changes a backend's environment file, on a real shell."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from releases.actions.texts import shell_text

OLD = """# the backend's
PORT=8080
RUNPOD_ENDPOINT_ID=old1
export AI_MODEL="old model"
  RUNPOD_ENDPOINT_ID=old2
#RUNPOD_ENDPOINT_ID=comment
LAST=1"""
VALUES = {"RUNPOD_ENDPOINT_ID": "new9", "AI_MODEL": "Qwen/Qwen2.5-7B-Instruct", "ADDED": "http://127.0.0.1:1/v2/a"}


def switch(
    folder: Path, values: Mapping[str, str] = VALUES, key: str | None = None, name: str = "backend.env"
) -> subprocess.CompletedProcess[str]:
    """Run it as a step would: the values as data, the secret as a file."""
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    if key is not None:
        (secrets / "runpod_key").write_text(key)
    data = {
        "step_file": str(folder / name),
        "step_names": " ".join(values),
        **{f"step_value_{each}": value for each, value in values.items()},
        "step_key_name": "RUNPOD_API_KEY" if key is not None else "",
        "step_key_secret": "runpod_key",
        "step_sudo": "no",
    }
    script = shell_text("machine.sh", "switch_environment.sh")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "CLOUDWIKI_SECRETS": str(secrets), **data}
    return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "backend.env"
    made.write_text(OLD)
    made.chmod(0o640)
    return made


def test_it_changes_the_named_variables_and_nothing_else(tmp_path: Path, file: Path) -> None:
    done = switch(tmp_path)
    assert done.returncode == 0, done.stderr
    assert file.read_text().splitlines() == [
        "# the backend's",
        "PORT=8080",
        "RUNPOD_ENDPOINT_ID=new9",
        "export AI_MODEL=Qwen/Qwen2.5-7B-Instruct",
        "#RUNPOD_ENDPOINT_ID=comment",
        "LAST=1",
        "ADDED=http://127.0.0.1:1/v2/a",
    ]
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backend.env", "secrets"]


def test_a_second_time_changes_nothing(tmp_path: Path, file: Path) -> None:
    switch(tmp_path)
    before = file.stat()
    done = switch(tmp_path)
    assert "unchanged: " in done.stdout
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("key", ["rpa_plain_0123456789", 'odd "quoted" $HOME `id` \\ key'])
def test_the_key_is_written_and_never_printed(tmp_path: Path, file: Path, key: str) -> None:
    done = switch(tmp_path, key=key)
    assert done.returncode == 0 and key not in done.stdout + done.stderr
    assert "RUNPOD_API_KEY=(secret)" in done.stdout
    shown = subprocess.run(
        ["sh", "-c", f'. "{file}"; printf %s "$RUNPOD_API_KEY"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == key


def test_a_link_stays_a_link(tmp_path: Path, file: Path) -> None:
    real = tmp_path / "secrets" / "real.env"
    real.parent.mkdir()
    file.rename(real)
    file.symlink_to(real)
    assert switch(tmp_path).returncode == 0
    assert file.is_symlink() and "RUNPOD_ENDPOINT_ID=new9" in real.read_text()


@pytest.mark.parametrize(
    ("name", "said"),
    [("absent.env", "switch: no file: "), ("absent/backend.env", "switch: no folder: "), ("secrets", "not allowed: ")],
)
def test_what_is_no_file_is_said(tmp_path: Path, file: Path, name: str, said: str) -> None:
    done = switch(tmp_path, name=name)
    assert done.returncode == 1 and said in done.stderr
    assert file.read_text() == OLD


def test_a_key_of_two_lines_is_refused_and_nothing_changed(tmp_path: Path, file: Path) -> None:
    done = switch(tmp_path, key="one line\nand another")
    assert done.returncode == 1 and "switch: odd secret: runpod_key" in done.stderr
    assert file.read_text() == OLD


def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path, file: Path) -> None:
    """The new file can't be written to its end: `tee` fails as it does on a full disk."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "tee").write_text('#!/bin/sh\nhead -c 5 >"$2"\nexit 1\n')
    (tools / "tee").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
        done = switch(tmp_path)
    assert done.returncode == 1 and "switch: full: " in done.stderr
    assert file.read_text() == OLD
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backend.env", "bin", "secrets"]
