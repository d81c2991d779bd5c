"""`python -m tests.faults.guards`: take out one guard at a time, in a copy, and show that the faults are noticed.

A guard whose removal passes is a defect of the suite: exit code 1.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Guard:
    """`cuts`: (file, what stands there, what stands there without the guard). `faults` are to notice."""

    name: str
    cuts: tuple[tuple[str, str, str], ...]
    faults: tuple[str, ...]
    runs: int = 2


GUARDS = [
    Guard(
        "start claim: whoever makes the file `started` runs the step",
        (("releases/remote/supervisor.sh", "if claim_start; then mine=1; else mine=0; fi", "claim_start; mine=1"),),
        ("F1=before_start",),
    ),
    Guard(
        "launch claim: the attempt's folder is made once",
        (
            ("releases/remote/wrapper.sh", '[ -d "$D" ] || receive "$3"', 'receive "$3"'),
            ("releases/remote/wrapper.sh", '  if [ ! -d "$D" ]; then\n', '  rm -rf "$D"\n  if :; then\n'),
        ),
        ("F1=after_start",),
    ),
    Guard(
        "fencing in the database: each write carries the newest token",
        (
            (
                "releases/models/lease.py",
                'WHERE deployment_id = %s AND token = %s"\n                " FOR NO',
                'WHERE deployment_id = %s AND %s > 0"\n                " FOR NO',
            ),
        ),
        ("F9=before_store", "F9=after_write"),
    ),
    Guard(
        "fencing on the machine: older tokens are refused",
        (("releases/remote/wrapper.sh", 'if [ "$2" -lt "$seen" ]; then', "if false; then"),),
        ("F9=before_launch",),
    ),
    Guard(
        "end of a session whose transaction rests",
        (("cloudwiki/settings.py", "IDLE_IN_TRANSACTION_SECONDS = 8", "IDLE_IN_TRANSACTION_SECONDS = 0"),),
        ("F9=audit_locked",),
        runs=1,
    ),
    Guard(
        "lease: a live one cannot be taken",
        (("releases/models/lease.py", "until IS NULL OR until < clock_timestamp()", "true"),),
        ("F7",),
    ),
    Guard(
        "guarded update: a status changes only from the one that was read",
        (("releases/engine/status.py", "filter(pk=row.pk, status=row.status)", "filter(pk=row.pk)"),),
        ("F19=_stale_rows",),
    ),
    Guard(
        "digest of the plan as the rows are now",
        (("releases/gate.py", "if current_digest == deployment.plan.digest:", "if True:"),),
        ("F19=_changed_plan",),
    ),
    Guard(
        "digest of the plan that the person saw",
        (("releases/engine/start.py", "if locked.plan.digest != digest and", "if False and"),),
        ("F19=_old_page",),
    ),
    Guard(
        "one active deployment an environment, by constraint",
        (
            (
                "releases/migrations/0001_initial.py",
                "['cancelling', 'running', 'unknown', 'waiting'])), fields=('environment',)",
                "['none'])), fields=('environment',)",
            ),
        ),
        ("F8",),
    ),
]  # fmt: skip


def main() -> int:
    """Each guard in turn. Prints a row for each, then "N passed, N failed"."""
    failed = 0
    for guard in GUARDS:
        noticed, said = removed(guard)
        failed += not noticed
        print(f"{'caught' if noticed else 'MISSED'}  without the {guard.name}: {said}", flush=True)
    print(f"{len(GUARDS) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def removed(guard: Guard) -> tuple[bool, str]:
    """Whether the faults notice that the guard is gone, and what they said."""
    with tempfile.TemporaryDirectory(prefix="cloudwiki-guard-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        for name, there, instead in guard.cuts:
            cut(copy / name, there, instead)
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults", "--runs", str(guard.runs), *guard.faults],
            cwd=copy,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(copy)},
        )
    problems = [line.strip() for line in done.stdout.splitlines() if line.startswith("     ")]
    if done.returncode != 1 or not problems:
        return False, (done.stdout + done.stderr).strip()[-2000:]
    return True, problems[0]


def copy_tree(copy: Path) -> None:
    """The files of the project as they lie here, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("docs/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    for name in (".venv", ".cache"):
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)


def cut(path: Path, there: str, instead: str) -> None:
    """Replace what must stand there exactly once: a guard that moved must not be thought removed."""
    text = path.read_text()
    if text.count(there) != 1:
        sys.exit(
            f"{path.name}: {there!r} stands there {text.count(there)} times; tests/faults/guards.py is out of date"
        )
    path.write_text(text.replace(there, instead))


if __name__ == "__main__":
    sys.exit(main())
