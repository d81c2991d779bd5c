"""`python -m tests.faults`: break a running Cloud Wiki in every way of the list and count what was lost.

`--runs N` runs of each fault (default 3), `--seed S` makes them the same again, names (F1 F9) choose some, and
F1=before_start only that point of it. `--limits` also holds the limits of time, which a busy machine may miss.
Prints a row for each fault, then "N passed, N failed". Exit code 1 when anything failed.
"""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.registry import FAULTS, Fault, Turns
from tests.faults.report import Row, last_line
from tests.faults.rig import Rig
from tests.faults.run import Result
from tests.faults.slot import Slot

WIDTH = 8


class Suite:
    """Runs faults on one rig. Slots are made when they are first needed."""

    def __init__(self, rig: Rig, seed: str) -> None:
        self.rig, self.seed = rig, seed
        self.slots: list[Slot] = []
        self.only = ""

    def place(self, count: int) -> list[Slot]:
        """So many slots, with no orders left from an earlier fault."""
        while len(self.slots) < count:
            self.slots.append(Slot(self.rig, len(self.slots)))
        for slot in self.slots[:count]:
            slot.forget_orders()
            slot.clear()
        return self.slots[:count]

    def row(self, fault: Fault, runs: int, only: str = "") -> Row:
        """All runs of one fault, or of one point of it."""
        self.only = only
        if reason := fault.needs():
            return Row(fault, skipped=reason)
        began = time.monotonic()
        results = self._side_by_side(fault, runs) if fault.one else self._crowds(fault, runs)
        return Row(fault, results, seconds=time.monotonic() - began)

    def _side_by_side(self, fault: Fault, runs: int) -> list[Result]:
        assert fault.one
        width = min(fault.width, runs, WIDTH)
        free = self.place(width)

        def work(number: int) -> Result:
            slot = free.pop()
            slot.turn, slot.runs = number, runs

            def run() -> Result:
                slot.clear()
                return fault.one(slot, Turns(f"{self.seed}-{fault.name}-{number}", number, self.only))  # type: ignore[misc]

            try:
                return guarded(run)
            finally:
                free.append(slot)

        with ThreadPoolExecutor(width) as pool:
            return list(pool.map(work, range(runs)))

    def _crowds(self, fault: Fault, runs: int) -> list[Result]:
        assert fault.crowd
        results: list[Result] = []
        while len(results) < runs:
            count = min(fault.width, runs - len(results), WIDTH)
            random = Turns(f"{self.seed}-{fault.name}-{len(results)}", len(results), self.only)
            broken = guarded_crowd(lambda: fault.crowd(self.rig, self.place(count), random), count)  # type: ignore[misc] # noqa: B023
            results.extend(broken)
        return results


def guarded(work: Callable[[], Result]) -> Result:
    """A run that breaks in our own hands failed."""
    from django.db import connections

    try:
        return work()
    except Exception as error:
        return Result(problems=[f"{type(error).__name__}: {error} {where(error)}"])
    finally:
        connections.close_all()


def guarded_crowd(work: Callable[[], list[Result]], count: int) -> list[Result]:
    """The same for several runs at once."""
    from django.db import connections

    try:
        return work()
    except Exception as error:
        return [Result(problems=[f"{type(error).__name__}: {error} {where(error)}"]) for _run in range(count)]
    finally:
        connections.close_all()


def where(error: BaseException) -> str:
    """File and line of the test that the error came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/faults/" in frame.filename]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-3:]))


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="such as F1 F9; none means all")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--limits", action="store_true", help="hold the limits of time, too")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    chosen = parser.parse_args()
    from tests.faults import catalogue  # noqa: F401 - registers the faults

    wanted = [name.partition("=")[::2] for name in chosen.names or sorted(FAULTS, key=lambda name: FAULTS[name].order)]
    unknown = [name for name, _only in wanted if name not in FAULTS]
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    rows = []
    with Rig() as rig:
        suite = Suite(rig, chosen.seed)
        for name, only in wanted:
            row = suite.row(FAULTS[name], chosen.runs, only)
            row.held_to_limits = chosen.limits
            rows.append(row)
            say(row.text())
            for problem in row.problems[:10]:
                say(f"     {problem}")
    if chosen.json:
        chosen.json.write_text(json.dumps([row.as_json() for row in rows]))
    say(last_line(rows))
    return 1 if any(row.problems for row in rows) else 0


def say(line: str) -> None:
    """At once, also into a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
