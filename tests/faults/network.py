"""Faults of the way to the machine: connections are cut with a word, or packets just stop to arrive."""

import os
import shutil
import subprocess
import time
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from weakref import WeakKeyDictionary

import psutil

from tests.engine.sshd import Sshd
from tests.faults.registry import Turns, one
from tests.faults.rig import until
from tests.faults.run import Result, Run, now
from tests.faults.slot import Slot, Work
from tests.host.slot import NoFreeSlot, claim, ip

NOTICED = 30.0  # seconds in which a dead connection must be noticed: 15 by the goal, more on a busy machine
KINDS = ("reset", "drop", "killed")
HEARD = timedelta(seconds=6)  # that it may have been silent before the cut: it speaks every 2 s, a busy one later
REFUSE = ["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"]
# What a firewall or a cable does: packets to the machine vanish, those from it, both.
SILENT = {"to": ["INPUT"], "from": ["OUTPUT"], "both": ["INPUT", "OUTPUT"], "cable": []}


class FarSlot(Slot):
    """A slot whose host is behind a network of its own."""

    kind = "far"

    def listen(self) -> Sshd:
        self.network = claim()
        self.rig.at_close(self.network.release)
        self.network.connect()
        return self.admit(Sshd(self.folder, address=self.network.address, namespace=self.network.name))

    def firewall(self, *words: str) -> str:
        """`iptables` on the host's side."""
        return _run("ip", "netns", "exec", self.network.name, "iptables", "-w", *words)

    def reset(self) -> None:
        """Answer whatever comes with a reset, as a firewall does that was told to refuse."""
        self.firewall("-A", "INPUT", *REFUSE)

    def swallow(self, how: str) -> None:
        """Let packets vanish without a word, see SILENT."""
        for chain in SILENT[how]:
            self.firewall("-A", chain, "-p", "tcp", "-j", "DROP")
        if how == "cable":
            ip("-n", self.network.name, "link", "set", "host0", "down")

    def caught(self) -> int:
        """Packets that met a rule of ours."""
        counted = [line.split() for line in self.firewall("-nvxL").splitlines()]
        return sum(int(words[0]) for words in counted if len(words) > 2 and words[2] in {"DROP", "REJECT"})

    def kill_sessions(self, listener: bool) -> None:
        """Kill the server's end of each connection, with the listener or without it."""
        if listener:
            self.sshd.kill()
            return
        for process in reversed(self.sshd.processes()[1:]):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def mend(self) -> None:
        """All as it was."""
        self.firewall("-F")
        ip("-n", self.network.name, "link", "set", "host0", "up")
        if not self.sshd.processes():
            self.sshd.start()


_far: WeakKeyDictionary[Slot, FarSlot] = WeakKeyDictionary()


def _far_slot(slot: Slot) -> FarSlot:
    """The one that belongs to a slot, made when first needed; nothing of an earlier run is active in it."""
    if slot not in _far:
        _far[slot] = FarSlot(slot.rig, int(slot.folder.name.rpartition("-")[2]))
    _far[slot].clear()
    return _far[slot]


@cache
def _missing() -> str:
    """Why no network can be cut here."""
    if os.geteuid() != 0:
        return "it needs root, to make network namespaces"
    absent = [package for tool, package in {"ip": "iproute2", "iptables": "iptables"}.items() if not shutil.which(tool)]
    if absent:
        return f"it needs these Debian packages: apt-get install {' '.join(absent)}"
    try:
        network = claim()
    except (NoFreeSlot, OSError, RuntimeError) as error:
        return f"no network namespace can be made here: {error}"
    try:
        network.connect()
        _run("ip", "netns", "exec", network.name, "iptables", "-w", "-A", "INPUT", *REFUSE)
    except RuntimeError as error:
        return f"no network can be cut here: {error}"
    finally:
        network.release()
    return ""


@one(
    "F4",
    "SSH cut: reset, server killed, packets dropped silently",
    needs=_missing,
    reattach_limit=30.0,
)
def cut(slot: Slot, random: Turns) -> Result:
    """The step is shown as lost with its reason and when it was last heard, and followed to its end afterwards."""
    far, kind = _far_slot(slot), random.turn(KINDS)
    go = far.folder / "go"
    go.unlink(missing_ok=True)
    work = Work(
        code=random.choice((0, 0, 3)),
        lines=random.randint(30, 90),
        pause=0.05,
        after=f"until [ -e {go} ]; do sleep 0.05; done",
    )
    run = far.begin(work)
    until(lambda: len(_lines(run)) >= min(3, work.lines), what=f"#{run.pk} to print")
    until(lambda: run.step().status == "running", what=f"#{run.pk} to be shown as running")
    try:
        noticed = _cut(far, run, random, kind)
        if random.random() < 0.5:  # it ends while nobody can know
            go.touch()
            until(lambda: len(run.marked()) == 2, what=f"#{run.pk} to end")
    finally:
        far.mend()
        back = time.monotonic()
    until(lambda: run.step().status != "lost", what=f"#{run.pk} to be found again")
    seconds = time.monotonic() - back
    go.touch()
    result = run.judge(statuses=("failed",) if work.code else ("succeeded",))
    result.reattach.append(seconds)
    result.check(noticed < NOTICED, f"#{run.pk}: the cut was noticed only after {noticed:.0f} s")
    _judge_lines(run, work, result)
    return result


def _cut(far: FarSlot, run: Run, random: Turns, kind: str) -> float:
    """Break the connection and wait until that is shown; returns the seconds it took."""
    began, moment = time.monotonic(), now()
    if kind == "killed":
        listener = random.random() < 0.5
        far.kill_sessions(listener)
        _until_lost(run, moment, stays=listener)
        return time.monotonic() - began
    how = random.choice(list(SILENT))
    if kind == "reset":
        far.reset()
    else:
        far.swallow(how)
    _until_lost(run, moment)
    seconds = time.monotonic() - began
    if kind == "reset" or SILENT[how]:
        until(far.caught, 10, f"a packet of #{run.pk} to be caught")
    return seconds


def _until_lost(run: Run, moment: datetime, *, stays: bool = True) -> None:
    """Wait until the rows say so, with the reason and when it was last heard.

    That cannot be long before the cut at `moment` (UTC); where only packets to the machine vanish, it is heard for a
    while after it. Where the connection may be back at once (not `stays`), it is enough that they said so. A machine
    that is busy with other runs may have been lost for a moment before the cut, too: that says nothing of it.
    """
    from releases.models import AuditEvent

    said = AuditEvent.objects.filter(deployment_id=run.pk, action="step.lost", at__gte=moment)
    until(said.exists, what=f"#{run.pk} to be lost after {moment}")
    if not stays:
        return
    # The event was written with the rows, in one transaction.
    step, attempt = run.step(), run.attempts()[0]
    if (step.status, attempt.status) != ("lost", "lost") or not step.reason:
        raise AssertionError(f"#{run.pk} is lost, but shown as {step.status}, {attempt.status}: {step.reason!r}")
    seen = attempt.last_seen_at
    if seen is None or not moment - HEARD < seen < now():
        raise AssertionError(f"#{run.pk} is said to be last heard of at {seen}, but it was cut off at {moment}")


def _lines(run: Run) -> list[bytes]:
    """The numbered lines that are stored."""
    return [line for line in _stored(run).splitlines(keepends=True) if line[:5] == b"line " and line[5:6].isdigit()]


def _stored(run: Run) -> bytes:
    return run.log() if run.attempts() else b""


def _judge_lines(run: Run, work: Work, result: Result) -> None:
    """Each line once and in its order, whatever the outcome; and nothing was run again."""
    lines = b"".join(_lines(run))
    if lines != work.printed():
        result.fail("lost", f"#{run.pk}: {len(lines)} bytes of numbered lines, not {len(work.printed())}")
    if run.marked() != ["begun", f"ended {work.code}"]:
        result.fail("twice" if run.times_begun() > 1 else "", f"#{run.pk} marked {run.marked()}")
    result.check(len(run.attempts()) == 1, f"#{run.pk} has {len(run.attempts())} attempts")


def _run(*words: str) -> str:
    """Raises RuntimeError with what the program said."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
