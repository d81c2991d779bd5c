"""A row for each fault, and the last line that says how many passed."""

import statistics
from dataclasses import dataclass, field

from tests.faults.registry import Fault
from tests.faults.run import Result

COUNTS = ("twice", "lost", "false_success", "false_failure")


@dataclass
class Row:
    """The results of all runs of one fault. `skipped` says why there are none."""

    fault: Fault
    results: list[Result] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0
    held_to_limits: bool = False

    def count(self, name: str) -> int:
        """Sum over the runs."""
        return sum(getattr(result, name) for result in self.results)

    @property
    def reattach(self) -> list[float]:
        """Seconds to re-attach, of every run that tells, sorted."""
        return sorted(seconds for result in self.results for seconds in result.reattach)

    @property
    def p95(self) -> float:
        """Of the seconds to re-attach."""
        return percentile(self.reattach, 0.95)

    @property
    def problems(self) -> list[str]:
        """Every sentence of every run, and the limit that was missed."""
        found = [problem for result in self.results for problem in result.problems]
        limit = self.fault.reattach_limit
        if self.held_to_limits and limit is not None and self.reattach and self.p95 > limit:
            found.append(f"p95 to re-attach is {self.p95:.1f} s, more than {limit:g} s")
        return found

    @property
    def passed(self) -> bool:
        """Nothing was wrong in any run."""
        return not self.skipped and not self.problems

    def text(self) -> str:
        """One line."""
        head = f"{self.fault.name:<4} {self.fault.title:<58}"
        if self.skipped:
            return f"{head} skipped: {self.skipped}"
        counts = "  ".join(f"{name.replace('_', ' ')} {self.count(name)}" for name in COUNTS)
        again = "re-attach -"
        if self.reattach:
            again = f"re-attach p50 {statistics.median(self.reattach):.1f} p95 {self.p95:.1f} s"
        end = "ok" if self.passed else "FAILED"
        return (
            f"{head} runs {len(self.results):>3}  {counts}  unknown {self.count('unknown')}  {again}"
            f"  ({self.seconds:.0f} s)  {end}"
        )

    def as_json(self) -> dict[str, object]:
        """For the tests."""
        return {
            "name": self.fault.name,
            "runs": len(self.results),
            **{name: self.count(name) for name in (*COUNTS, "unknown")},
            "reattach": self.reattach,
            "problems": self.problems,
            "skipped": self.skipped,
            "passed": self.passed,
            "seconds": self.seconds,
        }


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the sorted values do not exceed; 0 of none."""
    if not values:
        return 0.0
    return values[min(len(values) - 1, max(0, round(share * len(values) + 0.5) - 1))]


def last_line(rows: list[Row]) -> str:
    """What counts: each run is one."""
    failed = sum(1 for row in rows for result in row.results if result.problems)
    failed += sum(1 for row in rows if row.problems and not any(result.problems for result in row.results))
    passed = sum(len(row.results) for row in rows) - sum(1 for row in rows for result in row.results if result.problems)
    skipped = sum(1 for row in rows if row.skipped)
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
