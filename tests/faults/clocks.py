"""Faults of time: the clocks of a worker, of a machine and of the database are minutes apart."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

from tests.faults.held import Held, held
from tests.faults.registry import crowd
from tests.faults.rig import Program, Rig, until
from tests.faults.run import Result
from tests.faults.services import flush, joined
from tests.faults.slot import Slot

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
# Python sleeps until a moment of the monotonic clock; libfaketime 0.9.10 answers that with EINVAL.
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
NEAR = 120.0  # seconds that two readings of one clock may be apart on a busy machine


def needs() -> str:
    """Why no clock can be put off here."""
    return "" if LIBRARY else "it needs the Debian package libfaketime"


def off(seconds: int) -> dict[str, str]:
    """Variables under which a process sees the time of day so many seconds off, and all durations as they are."""
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",
    }


@crowd("F10", "clocks of worker, target and database 10 min off", needs=needs)
def clocks_apart(rig: Rig, slots: list[Slot], random: Random) -> list[Result]:
    """Statuses, order and leases are as ever.

    Each target's clock is off. In the middle of the first steps another worker takes over whose clock is off, too;
    the start messages of every third run are lost then, so that the reconciler has to find them by its messages;
    then the database is restarted with its clock off, and at last the steps end.
    """
    offsets = {slot: _minutes(random) for slot in slots}
    skewed = rig.program("worker", "skewed")
    with ExitStack() as stack:
        for slot in slots:
            stack.enter_context(_target_off(slot, offsets[slot]))
        works = {slot: held(slot, lines=random.randint(5, 60), before=_dating(slot)) for slot in slots}
        late = [works[slot] for number, slot in enumerate(slots) if number % 3 == 1]
        early = [kept for kept in works.values() if kept not in late]
        _begin(early)
        stack.enter_context(_worker_off(rig, skewed, _minutes(random)))
        for kept in early:
            _until_driven_by(kept, skewed)
        moment = flush(rig, skewed, early[0].run, [kept.run for kept in late])
        for kept in late:
            kept.run.until_begun()
        results = {slot: _looked_at(works[slot], offsets[slot]) for slot in slots}
        for slot in slots:
            if works[slot] in late:
                results[slot].reattach.append(works[slot].run.taken_after(moment) or 0.0)
        stack.enter_context(_database_off(rig, _minutes(random)))
        for kept in works.values():
            kept.let_end()
        return [joined(results[slot], works[slot].run.judge()) for slot in slots]


def _minutes(random: Random) -> int:
    """Ten or eleven, ahead or behind, in seconds."""
    return random.choice((-1, 1)) * random.randint(600, 660)


def _dating(slot: Slot) -> str:
    """Shell that notes the machine's time; the file is there once it is whole."""
    noted = slot.folder / "date"
    noted.unlink(missing_ok=True)
    return f"date +%s >{noted}.new; mv {noted}.new {noted}"


def _begin(works: list[Held]) -> None:
    for kept in works:
        kept.run.start()
    for kept in works:
        kept.run.until_begun()


def _until_driven_by(kept: Held, program: Program) -> None:
    """A process of the program has the lease."""
    until(lambda: kept.run.driver() in {process.pid for process in program.family()}, what=f"{program.log} to drive")


def _looked_at(kept: Held, offset: int) -> Result:
    """The target's clock is off indeed; what the log and the rows say of time is the database's."""
    from releases.engine import clock
    from releases.models import LogChunk

    result, attempt = Result(), kept.run.attempts()[-1]
    noted = kept.run.slot.folder / "date"
    until(noted.exists, what="the time of the target")
    shown = int(noted.read_text()) - noted.stat().st_mtime
    assert abs(shown - offset) < NEAR, f"the target's clock is {shown:.0f} s off, not {offset}"
    first = until(lambda: LogChunk.objects.filter(attempt=attempt).order_by("offset").first(), what="its log")
    late = first.received_at - attempt.started_at
    close = timedelta(0) <= late < timedelta(seconds=NEAR) and first.received_at <= clock.now()
    result.check(close, f"#{kept.run.pk}: its first lines are dated {late} after its begin")
    return result


@contextmanager
def _target_off(slot: Slot, seconds: int) -> Iterator[None]:
    """Whatever a session of the slot's machine runs sees another time."""
    variables = " ".join(f"{name}={value}" for name, value in off(seconds).items())
    slot.sshd.stop()
    slot.sshd.settings = f"SetEnv {variables} HOME={slot.sshd.home}"
    slot.sshd.start()
    try:
        yield
    finally:
        slot.sshd.stop()
        slot.sshd.settings = ""
        slot.sshd.start()


@contextmanager
def _worker_off(rig: Rig, skewed: Program, seconds: int) -> Iterator[None]:
    """Only a worker whose clock is off works."""
    shown = subprocess.run(["date", "+%s"], env=off(seconds), capture_output=True, check=True).stdout
    assert abs(int(shown) - time.time() - seconds) < NEAR, "libfaketime has no effect"
    patched = rig.folder / "python"
    patched.mkdir(exist_ok=True)
    (patched / "sitecustomize.py").write_text(SLEEP)
    skewed.start(PYTHONPATH=str(patched), **off(seconds))
    rig.worker.stop()
    try:
        yield
    finally:
        rig.worker.start()
        skewed.stop()


@contextmanager
def _database_off(rig: Rig, seconds: int) -> Iterator[None]:
    """The database is restarted with its clock off; and again at the end, with its clock put right."""
    from releases.engine import clock

    account = rig.postgres.account
    variables = [f"{name}={value}" for name, value in off(seconds).items()]
    _restart_database(rig, replace(account, prefix=(*account.prefix, "env", *variables)))
    try:
        shown = clock.now().timestamp() - time.time()
        assert abs(shown - seconds) < NEAR, f"the database's clock is {shown:.0f} s off, not {seconds}"
        yield
    finally:
        _restart_database(rig, account)


def _restart_database(rig: Rig, account: object) -> None:
    from django.db import connections

    connections.close_all()
    rig.postgres.stop()
    rig.postgres.account = account
    rig.postgres.start()
