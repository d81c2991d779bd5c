"""Faults of what a step prints: too much of it, and bytes that are no text, over a connection that breaks."""

import hashlib
import signal
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

import psutil

from tests.faults.registry import one
from tests.faults.rig import until
from tests.faults.run import Result, Run
from tests.faults.slot import Slot, Work

MB = 1_000_000
MORE_MEMORY = 200 * MB  # that a worker may take for a log, however long it is
LONG = 1800.0  # seconds for the longest log on a slow machine
RATE = 1_000_000  # lines a second that an endless command has to print, else it is none
KINDS = ("log", "line", "endless")
CUT = "\n[log cut here: this step printed more than the limit of %d bytes]\n"
SECRET = "correct-horse-battery-staple"


@dataclass(frozen=True)
class Printed:
    """A block so many times, then an end."""

    block: bytes
    times: int
    end: bytes = b""

    def command(self, folder: Path) -> str:
        """Shell that prints it."""
        (folder / "block").write_bytes(self.block)
        (folder / "end").write_bytes(self.end)
        return f"i=0; while [ $i -lt {self.times} ]; do cat {folder}/block; i=$((i+1)); done; cat {folder}/end"

    def __iter__(self) -> Iterator[bytes]:
        for _time in range(self.times):
            yield self.block
        yield self.end


@one("F13", "huge output: a big log, a line of 100 MB, no end at all", width=4)
def huge(slot: Slot, random: Random) -> Result:
    """The worker's memory stays small, and what is stored is what was printed, up to the limit that the log states."""
    kind = KINDS[slot.turn] if slot.turn < len(KINDS) else random.choice(KINDS)
    if kind == "endless":
        return _endless(slot, random)
    return _measured(slot, _big(slot, random) if kind == "log" else _line(slot, random), random)


def _big(slot: Slot, random: Random) -> Printed:
    digits = random.randbytes(MB // 2).hex()
    lines = "\n".join(digits[start : start + 99] for start in range(0, MB, 100))
    megabytes = random.randint(1, 20) if slot.turn else 1000 if slot.runs >= 20 else 200
    return Printed((lines + "\n").encode(), megabytes)


def _line(slot: Slot, random: Random) -> Printed:
    letters = "".join(random.choices(string.ascii_letters + "가나다", k=MB))
    return Printed(letters.encode(), 100 if slot.turn == 1 else random.randint(1, 10), b"\n")


def _measured(slot: Slot, printed: Printed, random: Random) -> Result:
    go = _flag(slot, "go")
    code = random.choice((0, 3))
    run = slot.begin(Work(lines=0, before=f"{_wait(go)}\n{printed.command(slot.folder)}", code=code))
    run.until_begun()
    memory = Memory(run.driver())
    go.touch()
    run.until_over(LONG)
    result = run.judge()
    result.check(_digest(run.head(), *printed) == _stored(run), f"#{run.pk}: other bytes are stored than were printed")
    _judge_end(run, result, code)
    memory.judge(run, result)
    return result


def _endless(slot: Slot, random: Random) -> Result:
    go, number = _flag(slot, "go"), _flag(slot, "number")
    cap, code = random.randint(1, 4) * MB, random.choice((0, 3))
    # As if CLOUDWIKI_LOG_CAP were so small, for this step alone.
    slot.order("before_start", f'read -r a b c _ <"$D/limits"; put limits "$a $b $c {cap}"')
    endless = random.choice(("yes y", "awk 'BEGIN { while (1) print \"y\" }'"))
    before = f"{endless} & echo $! > {number}.new; mv {number}.new {number}\n{_wait(go)}\nkill $!; wait $!"
    run = slot.begin(Work(lines=0, before=before, code=code))
    until(number.exists, what=f"#{run.pk} to print")
    memory, printer = Memory(run.driver()), psutil.Process(int(number.read_text()))
    note = (CUT % cap).encode()
    until(lambda: run.tail().endswith(note), what=f"the log of #{run.pk} to say where it was cut")
    lines = printer.io_counters().write_chars / len("y\n")
    seconds = time.time() - printer.create_time()
    go.touch()
    result = run.judge()
    result.check(lines / seconds >= RATE, f"#{run.pk}: it printed only {lines / seconds:.0f} lines a second")
    kept = run.head()
    kept += b"y\n" * ((cap - len(kept)) // 2 + 1)
    result.check(_digest(kept[:cap], note) == _stored(run), f"#{run.pk}: the log was not cut at byte {cap}")
    _judge_end(run, result, code)
    memory.judge(run, result)
    return result


class Memory:
    """Of a process: how far it rises from now on. The kernel keeps the highest mark, so nothing is missed."""

    def __init__(self, process: int) -> None:
        self.process = process
        Path(f"/proc/{process}/clear_refs").write_text("5")  # the mark begins anew
        self.before = self._field("VmRSS")

    def _field(self, name: str) -> int:
        """Bytes."""
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024

    def judge(self, run: Run, result: Result) -> None:
        """It did not rise by more than is allowed."""
        more = self._field("VmHWM") - self.before
        result.check(more < MORE_MEMORY, f"#{run.pk}: its worker took {more / MB:.0f} MB more")


def _judge_end(run: Run, result: Result, code: int) -> None:
    found = run.attempts()[-1].exit_code
    result.check(found == code, f"#{run.pk}: its exit code was {code}, not {found}")


def _digest(*pieces: bytes) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _stored(run: Run) -> str:
    from releases.logs import store

    return store.sha256(run.attempts()[-1].pk)


def _flag(slot: Slot, name: str) -> Path:
    """A file that is not there yet."""
    path = slot.folder / name
    path.unlink(missing_ok=True)
    return path


def _wait(flag: Path) -> str:
    return f"until [ -e {flag} ]; do sleep 0.02; done"


@one("F14", "bytes that are no text, cut off again and again", reattach_limit=15.0)
def bytes_cut(slot: Slot, random: Random) -> Result:
    """What is stored is what was printed, byte by byte, however often somebody had to attach again."""
    many = slot.runs >= 20
    cuts = 10 if many else 4
    parts = _parts(random, cuts + 1, (10 if many else 2) * MB)
    flags = [_flag(slot, f"go-{number}") for number in range(cuts + 1)]
    for number, part in enumerate(parts):
        (slot.folder / f"part-{number}").write_bytes(part)
    _keep_secret(slot)
    print_all = "\n".join(f"cat {slot.folder}/part-{number}; {_wait(flag)}" for number, flag in enumerate(flags))
    run = slot.begin(Work(lines=0, before=print_all))
    result = Result()
    deadly = random.randrange(cuts)
    printed = len(run.head())
    try:
        for number in range(cuts):
            printed += len(parts[number])
            _until_stored(run, printed)
            _cut(slot, run, random, flags[number], result, deadly=number == deadly)
    finally:
        _let_go(slot, run, flags)
    judged = run.judge()
    judged.reattach, judged.problems = result.reattach, result.problems + judged.problems
    judged.check(_digest(run.head(), *parts) == _stored(run), f"#{run.pk}: other bytes are stored than were printed")
    return judged


def _let_go(slot: Slot, run: Run, flags: list[Path]) -> None:
    """Nothing waits any more, and no order is left."""
    for flag in flags:
        flag.touch()
    for order in (slot.rig.data / "faults").rglob(f"{run.pk}.*"):
        order.unlink(missing_ok=True)


def _until_stored(run: Run, printed: int) -> None:
    """All that was printed so far is stored, but for what is held back, and somebody is attached again."""
    most = printed - 10 * len(SECRET)
    until(lambda: (tries := run.attempts()) and tries[-1].source_offset >= most, what=f"byte {most} of #{run.pk}")
    until(lambda: _sessions(run.slot), what=f"somebody to attach to #{run.pk}")


def _cut(slot: Slot, run: Run, random: Random, go: Path, result: Result, *, deadly: bool) -> None:
    """Let it print one part more and break the way in the middle of it: the connection, or the worker."""
    point = random.choice(("after_write", "before_store", "after_store"))
    order = slot.rig.order(run.pk, point, "kill" if deadly else "wait")
    go.touch()
    until(lambda: not order.exists(), what=f"#{run.pk} to come to {point}")
    taken = until(lambda: slot.rig.obeyed(run.pk, point), what="the name of who came by")
    if deadly:
        worker = int(taken.suffix.removeprefix("."))
        until(lambda: not psutil.pid_exists(worker), what=f"the end of the worker of #{run.pk}")
        taken.unlink()
        moment = _now()
        result.reattach.append(until(lambda: run.taken_after(moment), what=f"a driver to take #{run.pk}"))
        return
    sessions = _sessions(slot)
    result.check(sessions, f"#{run.pk}: there was no connection to cut at {point}")
    for process in sessions:
        process.send_signal(signal.SIGKILL)
    taken.unlink()


def _sessions(slot: Slot) -> list[psutil.Process]:
    """Of the SSH server, alive."""
    return [process for process in slot.sshd.processes()[1:] if process.is_running()]


def _now() -> datetime:
    from releases.engine import clock

    return clock.now()


def _keep_secret(slot: Slot) -> None:
    """With a secret to look for, the end of each piece may be held back as the beginning of one."""
    from releases import secrets
    from releases.models import Variable

    Variable.objects.get_or_create(
        environment=slot.world.environment,
        name="TORN",
        defaults={"is_secret": True, "ciphertext": secrets.seal(SECRET)},
    )


def _parts(random: Random, count: int, size: int) -> list[bytes]:
    """Bytes of all sorts, torn at any place; some end as the secret begins."""
    torn = SECRET.encode()
    sorts = (
        lambda: random.randbytes(5000),
        lambda: "한글과 그림 🚀 사이에서 잘린다\n".encode() * 60,
        lambda: b"\xff\xfe\xc3(\xed\xa0\x80" * 200,
        lambda: b"\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2K\r" * 100,
        lambda: bytes(2000),
        lambda: b"10 %\r20 %\r\n\r" * 200,
        lambda: torn[:-1] + b"!" + torn[: random.randint(1, len(torn) - 1)] + b"\n",
    )
    whole = bytearray()
    while len(whole) < size:
        whole += random.choice(sorts)()
    places = sorted(random.sample(range(20_000, len(whole) - 20_000, 5_000), count - 1))
    places = [place + random.randint(0, 4_000) for place in places]
    pieces = [bytes(whole[begin:end]) for begin, end in zip([0, *places], [*places, len(whole)], strict=True)]
    return [piece + (torn[: random.randint(1, 20)] if random.random() < 0.3 else b"") for piece in pieces]
