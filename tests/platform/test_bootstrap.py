"""scripts/bootstrap on a machine where the commands on PATH are shims that do not run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the real scripts and a lock file of one small package."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    for name in ("bootstrap", "bootstrap.py"):
        (folder / "scripts" / name).write_bytes((ROOT / "scripts" / name).read_bytes())
        (folder / "scripts" / name).chmod(0o755)
    whole = (ROOT / "requirements-dev.lock").read_text()
    package = re.search(r"^sqlparse==.*?(?=^\S|\Z)", whole, re.M | re.S)
    assert package is not None
    (folder / "requirements-dev.lock").write_text(package.group())
    return folder


def environment(tmp_path: Path) -> dict[str, str]:
    """PATH begins with shims that fail as pyenv's do, then has the real uv and Python."""
    shims = tmp_path / "shims"
    shims.mkdir(exist_ok=True)
    for name in ("python3.13", "python3", "uv"):
        (shims / name).write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        (shims / name).chmod(0o755)
    real = [str(ROOT / ".venv/bin"), str(Path(sys.base_prefix) / "bin"), "/usr/bin", "/bin"]
    return dict(os.environ) | {"PATH": ":".join([str(shims), *real])}


def test_two_at_once_then_nothing_to_do_then_a_new_lock(checkout: Path, tmp_path: Path) -> None:
    command, variables = [checkout / "scripts" / "bootstrap"], environment(tmp_path)
    both = [subprocess.Popen(command, env=variables, cwd=checkout, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=240)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("installing" in text for text in said) == 1, "the second waits and finds the work done"
    python = checkout / ".venv" / "bin" / "python"
    code = "import sqlparse, sys; print(sys.version_info[:2])"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True).stdout == "(3, 13)\n"

    again = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")

    lock = checkout / "requirements-dev.lock"
    lock.write_text(lock.read_text() + "\n# changed\n")
    changed = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert "installing" in changed.stderr


def test_a_package_of_another_hash_is_refused(checkout: Path, tmp_path: Path) -> None:
    lock = checkout / "requirements-dev.lock"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text()))
    done = subprocess.run(
        [checkout / "scripts" / "bootstrap"], env=environment(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "bootstrap: this failed" in done.stderr
    assert "ash mismatch" in done.stderr, "what uv said must be shown"
    fixed = subprocess.run([checkout / ".venv/bin/python", "-c", "import sqlparse"], capture_output=True)
    assert fixed.returncode != 0


def test_without_any_python_the_mend_is_told(checkout: Path, tmp_path: Path) -> None:
    script = checkout / "scripts" / "bootstrap"
    # /usr/bin/python3 is tried by its full name, so let no candidate pass the version test.
    text = script.read_text().replace("(3, 9)", "(99, 0)")
    script.write_text(text)
    done = subprocess.run([script], env=environment(tmp_path), capture_output=True, text=True)
    assert done.returncode == 1
    assert "Install Python 3.13" in done.stderr
