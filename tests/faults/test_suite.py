"""The short form of `make faults`: every fault a few times, on one rig. And the points are off where nobody asked."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from releases.remote import faults
from releases.remote.steps import WRAPPER
from tests.faults import catalogue  # noqa: F401 - registers the faults
from tests.faults.registry import FAULTS
from tests.faults.rig import ROOT

RUNS = 3
NUMBERS = [f"F{number}" for number in range(1, 21)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of each fault, by its name; in a process of its own, with an installation of its own."""
    written = tmp_path_factory.mktemp("faults") / "rows.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "CLOUDWIKI_"))}
    with (written.parent / "said.txt").open("w+") as said:
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults", "--runs", str(RUNS), "--json", str(written)],
            cwd=ROOT,
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        said.seek(0)
        text = said.read()
    sys.stdout.write(text)
    assert done.returncode in {0, 1} and written.exists(), text[-5000:]
    return {row["name"]: row for row in json.loads(Path(written).read_text())}


@pytest.mark.faults
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("name", NUMBERS)
def test_nothing_is_lost(rows: dict[str, dict[str, Any]], name: str) -> None:
    row = rows[name]
    if row["skipped"]:
        pytest.skip(row["skipped"])
    assert row["problems"] == []
    assert row["runs"] >= RUNS
    assert (row["twice"], row["lost"], row["false_success"], row["false_failure"]) == (0, 0, 0, 0)


def test_the_whole_list_is_there() -> None:
    assert sorted(FAULTS) == sorted(NUMBERS)


def test_fault_points_are_off_unless_armed() -> None:
    assert faults.hook is None
    assert faults.with_points(WRAPPER) is WRAPPER
    faults.fault_point("before_launch")


def test_an_armed_point_obeys_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders = faults.Orders(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "7.before_launch").write_text("nothing known")
    monkeypatch.setattr(faults, "hook", orders)
    faults.fault_point("before_launch")
    assert (tmp_path / "7.before_launch").exists()
    reset = faults.subject.set("7")
    try:
        faults.fault_point("before_launch")
    finally:
        faults.subject.reset(reset)
    assert not (tmp_path / "7.before_launch").exists()
    assert b": point before_claim\n" in WRAPPER
    assert b": point before_claim\n" not in faults.with_points(WRAPPER)
