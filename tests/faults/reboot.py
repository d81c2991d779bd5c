"""Faults of the machine itself: it boots again in the middle of a step, told to or by a cut of its power."""

import time
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from releases.remote.connection import Target
from tests.engine.sshd import Sshd
from tests.faults.registry import Turns, crowd
from tests.faults.rig import Rig, until
from tests.faults.run import Result, Run
from tests.faults.slot import Slot, Work, controller_key
from tests.host.machine import Machine
from tests.host.requirements import missing

HOME = Path("home/deploy")
ANSWERS = {"worked": "succeeded", "failed": "failed", "again": "succeeded"}
# What a step makes of the TERM that it gets while the machine shuts down.
HABITS = {"ends": "", "calls it a success": "trap 'exit 0' TERM", "calls it a failure": "trap 'exit 7' TERM"}


class Guest(Slot):
    """One of many environments whose host is the same booted machine."""

    kind = "guest"

    def __init__(self, rig: Rig, number: int, machine: Machine) -> None:
        self.machine = machine
        super().__init__(rig, number)

    def listen(self) -> Sshd:
        """The machine runs its own."""
        return Sshd(self.folder)

    @property
    def target(self) -> Target:
        machine = self.machine
        return Target("box", machine.address, machine.port, machine.user, machine.host_key, machine.private_key)

    @property
    def base(self) -> Path:
        return self.shared / ".cloudwiki"

    @property
    def shared(self) -> Path:
        return self.machine.root / HOME

    def there(self, path: Path) -> Path:
        return Path("/") / path.relative_to(self.machine.root)


_machines: WeakKeyDictionary[Rig, Machine] = WeakKeyDictionary()


def _machine(rig: Rig) -> Machine:
    """A machine that is up; one that an earlier fault left broken is replaced."""
    machine = _machines.get(rig)
    if machine is not None and machine.run("true", check=False).returncode == 0:
        return machine
    if machine is not None:
        machine.down()
    made = Machine(prepare=_let_the_controller_in).up(deadline=300)
    _machines[rig] = made
    rig.at_close(made.down)
    return made


def _let_the_controller_in(root: Path) -> None:
    with (root / HOME / ".ssh" / "authorized_keys").open("a") as keys:
        keys.write(controller_key())


@dataclass
class _Case:
    """One run, and what a person will say of it."""

    guest: Guest
    run: Run
    habit: str
    answer: str
    go: Path


@crowd("F5", "target rebooted in the middle of a step", needs=missing, reattach_limit=30.0)
def rebooted(rig: Rig, slots: list[Slot], random: Turns) -> list[Result]:
    """The outcome is unknown, everything waits for a person, and goes on as the person says."""
    machine = _machine(rig)
    cases = [_begin(Guest(rig, rig_number, machine), random) for rig_number in _numbers(rig, len(slots))]
    for case in cases:
        until(lambda run=case.run: b"\nline 3 " in _stored(run), what=f"#{case.run.pk} to print")
    random.turn(random.sample((_reboot, _cut_power), 2))(machine)
    back = time.monotonic()
    results = [_judge_unknown(case, back) for case in cases]
    for case in cases:
        _answer(case)
    for case, result in zip(cases, results, strict=True):
        _judge_end(case, result)
    return results


def _reboot(machine: Machine) -> None:
    """Told to, from within: everything is ended with TERM first."""
    machine.reboot(deadline=300)


def _cut_power(machine: Machine) -> None:
    """Everything ends at once."""
    machine.kill()
    machine.start(deadline=300)


_made = 0


def _numbers(rig: Rig, count: int) -> range:
    """Numbers that no guest had before."""
    global _made
    _made += count
    return range(_made - count, _made)


def _begin(guest: Guest, random: Turns) -> _Case:
    habit = random.choice(list(HABITS))
    go = guest.shared / f"go-{guest.folder.name}"
    work = Work(
        lines=random.randint(3, 40),
        before=HABITS[habit],
        after=f"until [ -e {guest.there(go)} ]; do sleep 0.1; done",
    )
    run = guest.begin(work, Work("next", lines=1))
    return _Case(guest, run, habit, random.choice(list(ANSWERS)), go)


def _stored(run: Run) -> bytes:
    return run.log() if run.attempts() else b""


def _judge_unknown(case: _Case, back: float) -> Result:
    """Neither success nor failure; the next step waits, and nobody else may deploy there."""
    run, name = case.run, f"#{case.run.pk}, a step that {case.habit}"
    status = run.until_over()
    seconds = max(0.0, time.monotonic() - back)
    result = run.judge(may_be_unknown=True, statuses=())
    step, attempt = run.step(), run.attempts()[0]
    found = (status, step.status, step.reason, attempt.exit_code)
    if found != ("unknown", "unknown", "reboot", None):
        wrong = {"succeeded": "false_success", "failed": "false_failure"}.get(step.status, "")
        result.fail(wrong, f"{name}, is {found}")
    result.check(run.step("next").status == "pending", f"{name}: the next step did not wait")
    result.check(_blockers(case.guest) == ["active"], f"{name}: the environment is not held: {_blockers(case.guest)}")
    stored = _stored(run)
    result.check(b"\nline 3 " in stored, f"{name}: of its log {len(stored)} bytes are left")
    result.reattach.append(seconds)
    return result


def _blockers(guest: Guest) -> list[str]:
    """Why another deployment may not start in the environment."""
    from releases.engine import start

    return [blocker.code for blocker in start.blockers(guest.world.draft())]


def _answer(case: _Case) -> None:
    """A person says how it ended."""
    from releases.audit import Actor
    from releases.engine import decide

    case.go.touch()
    if case.run.step().status == "unknown":
        decide.resolve(case.run.step(), Actor(case.guest.world.requester), case.answer, "looked at the machine")


def _judge_end(case: _Case, result: Result) -> None:
    """The deployment ends as the person said, and only "again" runs the step again."""
    run, name = case.run, f"#{case.run.pk}, answered with {case.answer!r}"
    status = run.until_over()
    if not status:
        result.fail("lost", f"{name}: has not come to rest; it is {run.status()}")
    result.check(status == ANSWERS[case.answer], f"{name}: is {status}")
    begun = 2 if case.answer == "again" else 1
    if run.times_begun() != begun:
        result.fail("twice" if run.times_begun() > begun else "", f"{name}: began {run.times_begun()} times")
    after = 0 if case.answer == "failed" else 1
    result.check(run.times_begun("next") == after, f"{name}: the next step began {run.times_begun('next')} times")
