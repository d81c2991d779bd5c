"""Faults of what a step runs: it leaves a daemon, asks a question, will not end, or is killed itself."""

import fcntl
import os
import re
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil

from tests.engine.sshd import Sshd
from tests.faults.questions import QUESTIONS
from tests.faults.registry import one
from tests.faults.rig import until
from tests.faults.run import Result, Run
from tests.faults.slot import Slot, Work

SOON = 10.0  # seconds from the end of a command to that of its step, on a busy machine
ANSWER = 5.0  # seconds after which a question must have failed
GRACE = 2  # seconds between TERM and KILL

DAEMON = "trap '' HUP; echo $$ >{pid}.new; mv {pid}.new {pid}; until [ -e {end} ]; do echo daemon; sleep 0.1; done"
LEAVE = {
    "nohup": "nohup sh {program} &",
    "session": "setsid sh {program} &",
    "double fork": "( ( sh {program} & ) )",
    "both": "( setsid sh {program} & )",
    "background": "sh {program} &",
}


@one("F15", "a command that leaves a daemon behind")
def daemon(slot: Slot, random: Random) -> Result:
    """The step ends when its command ends; the daemon, whether it holds the output or not, lives on."""
    program, pid, end = (_new(slot, name) for name in ("daemon", "pid", "end"))
    program.write_text(DAEMON.format(pid=pid, end=end))
    how = random.choice(sorted(LEAVE))
    leave = LEAVE[how].format(program=program)
    if random.random() < 0.5:
        leave = leave.replace(str(program), f"{program} >/dev/null 2>&1 </dev/null")
    after = f"{leave}\nuntil [ -e {pid} ]; do sleep 0.02; done"
    run = slot.begin(Work(lines=random.randint(1, 20), after=after, code=random.choice((0, 0, 3))), Work("next"))
    try:
        result = run.judge()
        left = psutil.Process(int(pid.read_text()))
        late = _finished(run) - _written(run)
        result.check(late < SOON, f"#{run.pk}: the step ended {late:.1f} s after its command ({how})")
        result.check(left.is_running() and left.status() != psutil.STATUS_ZOMBIE, f"#{run.pk}: the daemon was ended")
    finally:
        end.touch()
    until(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE, what="the daemon to end")
    return result


def _new(slot: Slot, name: str) -> Path:
    """A file of this run alone."""
    return slot.folder / f"{name}-{uuid.uuid4().hex[:8]}"


def _finished(run: Run) -> float:
    finished = run.step().finished_at
    return finished.timestamp() if finished else float("inf")


def _written(run: Run) -> float:
    """When the step marked its end."""
    return Path(f"{run.marks}-work").stat().st_mtime


@one("F16", "a command that asks: sudo, read, ssh")
def asks(slot: Slot, random: Random) -> Result:
    """Nobody can answer: it fails at once, and the reason says what to do."""
    name = random.choice(sorted(QUESTIONS))
    asked, answered = _new(slot, "asked"), _new(slot, "answered")
    other = Sshd(_new(slot, "other"), "PasswordAuthentication yes")
    question, told = QUESTIONS[name](slot, other)
    # The marks are on the machine, so that a busy worker does not count.
    before = f"touch {asked}; ( {question} ); code=$?; touch {answered}; [ $code = 0 ] || exit $code"
    try:
        other.start()
        run = slot.begin(Work(lines=0, before=before), Work("next"))
        result = run.judge(statuses=("failed",))
    finally:
        other.stop()
    step = run.step()
    seconds = answered.stat().st_mtime - asked.stat().st_mtime if answered.exists() else float("inf")
    result.check(seconds < ANSWER, f"#{run.pk} {name}: it took {seconds:.1f} s to fail")
    result.check(re.search(told, step.reason), f"#{run.pk} {name}: {step.status}, the reason is {step.reason!r}")
    result.check(run.step("next").status == "pending", f"#{run.pk} {name}: the next step did not wait")
    return result


DEAF = "sh -c 'trap \"\" TERM INT HUP; : >{up}; while :; do sleep 0.1; done'"
HOSTILE = {
    "deaf": f"{DEAF} &",
    "session": f"setsid {DEAF} &",
    "bare": f'env -i PATH="$PATH" setsid {DEAF} &',
    "orphan": f"( setsid {DEAF} >/dev/null 2>&1 & )",
    "bare orphan": f'( env -i PATH="$PATH" setsid {DEAF} & )',
    "forks": "sh -c 'trap \"\" TERM; : >{up}; while :; do sleep 0.3 & sleep 0.05; done' &",
    "always another": "sh -c 'trap \"\" TERM; : >{up}; hop() {{ sleep 0.01; hop & }}; hop; sleep 600' &",
}
POLITE = "sh -c 'trap \": >{termed}; exit 0\" TERM; : >{up}; while :; do sleep 0.05; done' &"


@one("F17", "cancel of processes that will not end")
def hostile(slot: Slot, random: Random) -> Result:
    """All of them are gone within the grace and two seconds; what others run lives on."""
    held, termed, begun = (_new(slot, name) for name in ("held", "termed", "begun"))
    kinds = random.sample(sorted(HOSTILE), 4)
    ups = [_new(slot, "up") for _kind in [*kinds, "polite"]]
    spawn = [HOSTILE[kind].format(up=up) for kind, up in zip(kinds, ups[:-1], strict=True)]
    spawn.append(POLITE.format(up=ups[-1], termed=termed))
    held.touch()
    before = "\n".join([f"exec 7>>{held}; flock 7", *spawn, f"touch {begun}", "while :; do sleep 0.2; done"])
    stays = f"setsid sleep 600 >/dev/null 2>&1 & echo $! >{held}.daemon"
    bystanders = [_bystander()]
    try:
        run = slot.begin(
            Work("first", lines=1, after=stays), Work(lines=0, before=before, more={"grace": GRACE}), Work("next")
        )
        until(lambda: begun.exists() and all(up.exists() for up in ups), what=f"#{run.pk} to spawn {kinds}")
        bystanders += [_bystander(), psutil.Process(int(Path(f"{held}.daemon").read_text()))]
        return _cancelled(run, kinds, held, termed, bystanders)
    finally:
        for process in [*bystanders, *_holders(held)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _cancelled(run: Run, kinds: list[str], held: Path, termed: Path, bystanders: list[psutil.Process]) -> Result:
    from releases.audit import Actor
    from releases.engine import decide

    user = run.slot.world.requester
    decide.cancel(run.deployment, Actor(user))
    with suppress(TimeoutError):
        until(lambda: termed.exists() or _is_free(held), 60)
    began = termed.stat().st_mtime if termed.exists() else time.time()
    with suppress(TimeoutError):
        until(lambda: _is_free(held), GRACE + 20)
    took = time.time() - began
    left = _holders(held)
    result = run.judge(statuses=("cancelled",))
    result.check(
        termed.exists(),
        f"#{run.pk}: no TERM came to {kinds}; cancelled at {run.deployment.cancel_requested_at},"
        f" ended at {run.step().finished_at}",
    )
    result.check(not left, f"#{run.pk}: {[_words(process) for process in left]} are left of {kinds}")
    result.check(took < GRACE + 2, f"#{run.pk}: {kinds} were gone {took:.1f} s after TERM")
    result.check(run.step().status == "cancelled", f"#{run.pk}: the step is {run.step().status}")
    result.check(run.step("next").status == "pending", f"#{run.pk}: the next step did not wait")
    dead = [process for process in bystanders if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE]
    result.check(not dead, f"#{run.pk}: {len(dead)} bystanders were killed")
    return result


def _words(process: psutil.Process) -> list[str]:
    """Its command, while it lives."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def _bystander() -> psutil.Process:
    """A process of the same user that no step started."""
    return psutil.Process(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)


def _is_free(held: Path) -> bool:
    """Nobody has the step's lock any more: it is gone when the last process that inherited it is."""
    with held.open() as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _holders(held: Path) -> list[psutil.Process]:
    """The living processes of the step: all inherit its descriptor 7."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/7"):
        with suppress(OSError, psutil.NoSuchProcess):
            if link.readlink() == held:
                found.append(psutil.Process(int(link.parts[2])))
    return found


@one("F18", "the supervisor, the step or both killed with -9")
def killed(slot: Slot, random: Random) -> Result:
    """What can't be known is unknown, a killed step has failed, and nothing that follows begins."""
    victims = random.choice((("super",), ("child",), ("super", "child"), ("super", "watch"), ("super", "cancel")))
    go = _new(slot, "go")
    work = Work(lines=random.randint(1, 20), pause=0, after=f"touch {go}.up; until [ -e {go} ]; do sleep 0.02; done")
    run = slot.begin(work, Work("next"))
    until(Path(f"{go}.up").exists, what=f"#{run.pk} to wait")
    for name in victims:
        if name != "cancel":
            os.kill(_number(slot, run, name), signal.SIGKILL)
    result = Result()
    if "super" in victims and "child" not in victims:
        _is_told(run, result)
    if "cancel" in victims:
        _cancel(run)
    else:
        go.touch()
    judged = run.judge(may_be_unknown="super" in victims, statuses=("failed", "unknown", "cancelled"))
    judged.problems += result.problems
    _judge_killed(run, judged, victims)
    _put_away(run)
    return judged


def _number(slot: Slot, run: Run, name: str) -> int:
    """A process of the step wrapper, as it wrote it down itself."""
    folder = slot.base / "attempts" / run.attempts()[-1].remote_id
    return int(until(lambda: (folder / name).read_text().split(), what=name)[0])


def _is_told(run: Run, result: Result) -> None:
    """The rows say that the supervisor is lost while the step runs on."""
    try:
        until(lambda: run.step().reason == "supervisor-lost" and run.attempts()[-1].reason == "supervisor-lost", 30)
    except TimeoutError:
        result.check(False, f"#{run.pk}: nobody is told of the lost supervisor: {run.step().reason!r}")
    result.check(run.step().status == "running", f"#{run.pk}: the step is {run.step().status}, but it runs")


def _cancel(run: Run) -> None:
    from releases.audit import Actor
    from releases.engine import decide

    decide.cancel(run.deployment, Actor(run.slot.world.requester))


def _judge_killed(run: Run, result: Result, victims: tuple[str, ...]) -> None:
    step, code = run.step(), run.attempts()[-1].exit_code
    wanted = "unknown" if "super" in victims else "failed"
    if "cancel" in victims:
        wanted = "cancelled"
    result.check(step.status == wanted, f"#{run.pk} without {victims}: {step.status} ({step.reason}), not {wanted}")
    if wanted == "failed":
        result.check(code == 137 and "137" in step.reason, f"#{run.pk}: exit code {code}, {step.reason!r}")
    waits = run.step("next").status == "pending" and not run.times_begun("next")
    result.check(waits, f"#{run.pk} without {victims}: the next step is {run.step('next').status}")


def _put_away(run: Run) -> None:
    """An unknown step holds its environment until somebody says how it ended."""
    from releases.audit import Actor
    from releases.engine import decide

    if run.step().status == "unknown":
        decide.resolve(run.step(), Actor(run.slot.world.requester), "failed", "killed on purpose")
        until(lambda: run.status() == "failed", what=f"#{run.pk} to be put away")
