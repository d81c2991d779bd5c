"""Faults of those who watch: the web process ends under them, or they do not read."""

import contextlib
import fcntl
import struct
import termios
from contextlib import ExitStack
from itertools import chain
from random import Random

from tests.faults.held import Held, held
from tests.faults.registry import crowd
from tests.faults.rig import PATIENCE, Rig, until
from tests.faults.run import Result, Run
from tests.faults.services import joined
from tests.faults.slot import Slot, Work
from tests.faults.viewers import Sleeper, Viewer, Website

LINES = 450  # of one step; a page that was away when a step began gets its last 500 over the stream
SLEEPERS = 20  # beside each watched run
LEAVERS = 4  # of them, in the middle
FACTOR, SPARE = 2.5, 4.0  # how much longer a watched step may take; seconds that a busy machine adds
# Bytes that the web process may grow by: for each sleeper, and for all else. To keep all for them would take more.
ROOM, ROOM_FOR_ALL = 2 * 1024 * 1024, 24 * 1024 * 1024
PRINTED = "yes 'a line of some length, printed again and again, as a build does that says everything' | head -c {size}"


@crowd("F11", "web process killed and started again during event streams")
def web_restarted(rig: Rig, slots: list[Slot], random: Random) -> list[Result]:
    """Each page goes on where it was (Last-Event-ID), and ends with every byte once.

    Killed once or twice, each time while lines are coming; it may also end as an upgrade ends it.
    """
    site = Website(rig)
    site.up()
    runs = {slot: slot.draft(Work(lines=LINES, pause=random.uniform(0.02, 0.04)), Work("next")) for slot in slots}
    with ExitStack() as stack:
        stack.callback(site.up)
        viewers = {slot: stack.enter_context(_viewer(site, runs[slot])) for slot in slots}
        for run in runs.values():
            run.start()
        for how in random.sample(("kill", "kill", "stop"), random.choice((1, 2))):
            seen = {slot: viewer.seen for slot, viewer in viewers.items()}
            more = random.randint(500, 5000)
            until(lambda: all(v.is_over() or v.seen > seen[s] + more for s, v in viewers.items()), what="lines")  # noqa: B023
            site.program.kill() if how == "kill" else site.program.stop()
            assert not site.answers(), "the web process answers although it was ended"
            site.up()
        results = {slot: runs[slot].judge() for slot in slots}
        with contextlib.suppress(TimeoutError):
            until(lambda: all(viewer.is_over() for viewer in viewers.values()), 60)
        return [_compared(runs[slot], viewers[slot], results[slot], connections=2) for slot in slots]


def _viewer(site: Website, run: Run) -> Viewer:
    return Viewer(site, site.sign_in(run.slot.world.requester.username), run)


def _compared(run: Run, viewer: Viewer, result: Result, connections: int) -> Result:
    """The page shows what is stored, no more and no less."""
    result.check(not viewer.problem, f"#{run.pk}: the page: {viewer.problem}")
    result.check(viewer.last == "done", f"#{run.pk}: the page was not told the end; the last event was {viewer.last}")
    result.check(viewer.connections >= connections, f"#{run.pk}: the page connected {viewer.connections} times only")
    for key in (work.key for work in run.works):
        attempt = run.attempts(key)[-1]
        shown, stored = viewer.logs.get(attempt.pk, b""), run.log(key)
        if shown != stored:
            result.fail("lost", f"#{run.pk} {key}: the page shows {len(shown)} bytes, {len(stored)} are stored")
    return result


@crowd("F12", "20 viewers a run that stopped reading, others absent")
def nobody_reads(rig: Rig, slots: list[Slot], random: Random) -> list[Result]:
    """A step that prints much takes about as long as without viewers; its log is whole; who reads gets every byte.

    The web process keeps little for those who do not read. Some of them go away in the middle.
    """
    site = Website(rig)
    site.up()
    size = random.randint(3, 5) * 1024 * 1024
    alone = [_printing(slot, size) for slot in slots]
    results = [_done(kept, size) for kept in _begun(alone)]
    watched = [_printing(slot, size) for slot in slots]
    with ExitStack() as stack:
        viewers = [stack.enter_context(_viewer(site, kept.run)) for kept in watched]
        sleepers = [[Sleeper(site, viewer) for _number in range(SLEEPERS)] for viewer in viewers]
        for sleeper in chain.from_iterable(sleepers):
            stack.callback(sleeper.close)
            until(lambda: _waiting(sleeper), 60, "a stream that nobody reads")  # noqa: B023
        before = most = site.memory()
        _begun(watched)
        for sleeper in chain.from_iterable(group[-LEAVERS:] for group in sleepers):
            sleeper.close()
        for kept in watched:
            while not kept.run.until_over(0.5):
                most = max(most, site.memory())
        gone = [sleeper.unread() for group in sleepers for sleeper in group[:1]]
        assert all(0 < unread < size // 2 for unread in gone), f"the sleepers had got all of it: {gone}"
        for number, kept in enumerate(watched):
            results[number] = joined(results[number], _done(kept, size))
            _slower(results[number], alone[number].run, kept.run)
            until(viewers[number].is_over, PATIENCE)
            _compared(kept.run, viewers[number], results[number], connections=1)
        grown = max(most, site.memory()) - before
        allowed = ROOM * SLEEPERS * len(slots) + ROOM_FOR_ALL
        results[0].check(grown < allowed, f"the web process grew by {grown / 1e6:.0f} MB for {size * len(slots)} bytes")
    return results


def _printing(slot: Slot, size: int) -> Held:
    return held(slot, lines=0, before=PRINTED.format(size=size))


def _begun(works: list[Held]) -> list[Held]:
    """Start them; they end by themselves."""
    for kept in works:
        kept.let_end()
        kept.run.start()
    return works


def _done(kept: Held, size: int) -> Result:
    result = kept.run.judge()
    stored = len(kept.run.log())
    if stored < size:
        result.fail("lost", f"#{kept.run.pk}: {stored} of {size} bytes are stored")
    return result


def _slower(result: Result, alone: Run, watched: Run) -> None:
    """Compare the durations of the two steps."""
    quiet, loud = (_seconds(run) for run in (alone, watched))
    allowed = FACTOR * quiet + SPARE
    result.check(loud < allowed, f"#{watched.pk}: {loud:.1f} s with viewers, {quiet:.1f} s without")


def _seconds(run: Run) -> float:
    attempt = run.attempts()[-1]
    assert attempt.finished_at and attempt.started_at
    return (attempt.finished_at - attempt.started_at).total_seconds()


def _waiting(sleeper: Sleeper) -> bool:
    """The server has begun to answer."""
    found = fcntl.ioctl(sleeper.socket, termios.FIONREAD, struct.pack("i", 0))
    return bool(struct.unpack("i", found)[0] > 0)
