"""`make check` and `make test`: which checks there are and in what order they run."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
IN_PARALLEL = ("-n", str(min(4, max(2, os.cpu_count() or 2))), "--dist", "loadfile")
NOTHING_COLLECTED = 5
MARKED = ("browser", "host", "containers", "faults")  # groups that need more than PostgreSQL and Valkey
UNMARKED = " and ".join(f"not {marker}" for marker in MARKED)


@dataclass
class Check:
    """One command of the list."""

    name: str
    command: list[str]
    is_pytest: bool = False
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    passed: bool = False


def tool(name: str, program: str, *arguments: str) -> Check:
    return Check(name, [str(BIN / program), *arguments])


def tests(name: str, *arguments: str) -> Check:
    return Check(name, [str(BIN / "python"), "-m", "pytest", "-q", *arguments], is_pytest=True)


def existing(*folders: str) -> list[str]:
    return [folder for folder in folders if any((ROOT / folder).rglob("*.py"))]


STATIC = [
    tool("ruff", "ruff", "check", "--quiet", "."),
    tool("format", "ruff", "format", "--check", "--quiet", "."),
    tool("templates", "djlint", "--lint", "--quiet", "templates"),
    tool("types", "mypy", "cloudwiki", "releases"),
    tool("migrations", "python", "manage.py", "makemigrations", "--check", "--dry-run", "-v", "1"),
]


def quick() -> list[Check]:
    folders = existing("tests/unit", "tests/web")
    return [*STATIC, tests("unit and web", *folders, *IN_PARALLEL, "-m", UNMARKED)]


def everything() -> list[Check]:
    return [
        *STATIC,
        tests("unit, web, engine", "tests", "--ignore=tests/platform", *IN_PARALLEL, "-m", UNMARKED),
        tests("platform", "tests/platform"),
        *(tests(marker, "tests", "-m", marker) for marker in MARKED),
    ]


def main(mode: str) -> int:
    """Run the list to its end, whatever fails on the way. Returns 1 if anything failed."""
    checks = quick() if mode == "check" else everything()
    subprocess.run([sys.executable, str(ROOT / "scripts" / "messages.py")], check=True)
    for check in checks:
        run(check)
        took = f"{check.seconds:.1f} s, {check.cpu_seconds:.0f} s of CPU"
        say(f"{'ok    ' if check.passed else 'FAILED'} {check.name} ({took})")
    say("")
    for check in checks:
        for reason in check.skipped:
            say(f"skipped in {check.name}: {reason}")
    failed = [check.name for check in checks if not check.passed]
    total = sum(check.seconds for check in checks)
    say(f"{'failed: ' + ', '.join(failed) if failed else 'all passed'} in {total:.0f} s")
    return 1 if failed else 0


def run(check: Check) -> None:
    """Run one check, filling in how it went. Tools are quiet unless they fail."""
    began, cpu_began = time.monotonic(), cpu_of_children()
    with tempfile.TemporaryDirectory(prefix="cloudwiki-check-") as folder:
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        if check.is_pytest:
            report = Path(folder) / "report.xml"
            done = subprocess.run([*check.command, f"--junitxml={report}"], cwd=ROOT, env=environment)
            check.passed = done.returncode in (0, NOTHING_COLLECTED)
            check.skipped = list(skips(report))
        else:
            environment["CLOUDWIKI_DATA"] = folder
            quiet = subprocess.run(
                check.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            check.passed = quiet.returncode == 0
            if not check.passed:
                sys.stdout.write(quiet.stdout)
    check.seconds, check.cpu_seconds = time.monotonic() - began, cpu_of_children() - cpu_began


def cpu_of_children() -> float:
    """Seconds of CPU that the commands so far took, with everything that they started and waited for."""
    used = os.times()
    return used.children_user + used.children_system


def skips(report: Path) -> Iterator[str]:
    """What a test run skipped and why, one line each."""
    if not report.exists():
        return
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        for skip in case.iter("skipped"):
            yield f"{case.get('classname')}::{case.get('name')}: {skip.get('message')}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
