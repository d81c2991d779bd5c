"""docs/dependencies.md gives a reason for every direct dependency, and the lock files name no address."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def declared(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {re.split(r"[\[<>=~;! ]", line)[0] for line in lines if line and not line.startswith(("-", "#"))}


def test_every_direct_dependency_has_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()
    explained = set(re.findall(r"^\| ([\w.-]+) \| \S", text, re.M)) - {"package"}
    assert explained == declared("requirements.in") | declared("requirements-dev.in")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_have_hashes_and_name_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^(--index|--extra|--find|-i )", text, re.M)
    pinned = re.findall(r"^[\w.-]+==", text, re.M)
    hashed = re.findall(r"^[\w.-]+==[^\n]*\\\n    --hash=sha256:", text, re.M)
    assert len(pinned) == len(hashed) > 20
