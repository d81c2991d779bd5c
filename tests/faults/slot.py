"""A place for one run at a time: an environment of its own with an SSH host of its own."""

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from releases.remote.connection import Target
from tests.engine.sshd import Sshd, wait_for
from tests.faults.rig import Rig, until
from tests.faults.run import Run

TEXT = "line %d of the step that says enough to be told apart from others\n"
CLEAR_SECONDS = 20.0  # that a cancel may take


def controller_key() -> str:
    """The public key with which workers log in, a line of authorized_keys."""
    from django.conf import settings

    return str(settings.SSH_KEY_FILE.with_suffix(".pub").read_text())


@dataclass(frozen=True)
class Work:
    """What one step does: `lines` lines, `pause` seconds between them, then `code`.

    It marks its begin and its end in a file on the host, which no fault touches.
    """

    key: str = "work"
    lines: int = 20
    pause: float = 0.02
    code: int = 0
    before: str = ""  # shell, after the mark of the begin
    after: str = ""  # shell, before the mark of the end
    opaque: bool = False  # nobody compares its log
    more: dict[str, Any] = field(default_factory=dict)  # of the step in the runbook

    def printed(self) -> bytes:
        """All that its lines say."""
        return "".join(TEXT % number for number in range(1, self.lines + 1)).encode()

    def command(self, marks: Path) -> str:
        """Shell for the runbook."""
        pause = f"sleep {self.pause:g}; " if self.pause else ""
        text = TEXT.replace("%d", "'$i'").rstrip("\n")
        return "\n".join(
            [
                f"echo begun >> {marks}",
                self.before or ":",
                f"i=1; while [ $i -le {self.lines} ]; do echo '{text}'; {pause}i=$((i+1)); done",
                self.after or ":",
                f"echo ended {self.code} >> {marks}",
                f"exit {self.code}",
            ]
        )

    def step(self, marks: Path) -> dict[str, Any]:
        """The step as a runbook writes it."""
        return {
            "key": self.key,
            "title": {"ko": self.key, "en": self.key},
            "role": "DevOps",
            "phase": "replace",
            "runs_on": "app",
            "action": "shell",
            "estimate": 5,
            "timeout": 600,
            "parameters": {"command": self.command(marks)},
        } | self.more


class Slot:
    """Hosts and rows that live as long as the rig; `begin` starts a run in them."""

    kind = "slot"

    def __init__(self, rig: Rig, number: int) -> None:
        from tests.factories import make_world

        self.rig = rig
        self.turn, self.runs = 0, 1  # which run of its fault is the one at hand, of how many
        self.folder = rig.folder / f"{self.kind}-{number}"
        self.sshd = self.listen()
        self.world = make_world(approvals_required=0)
        self.reach(self.target.port, self.target.address)

    def listen(self) -> Sshd:
        """Start the SSH server of its host, which lets the controller in."""
        return self.admit(Sshd(self.folder))

    def admit(self, sshd: Sshd) -> Sshd:
        """Start the server with the controller's key, until the rig is taken down."""
        with (sshd.folder / "authorized_keys").open("a") as keys:
            keys.write(controller_key())
        sshd.start()
        self.rig.at_close(sshd.stop)
        return sshd

    @property
    def target(self) -> Target:
        """How its host is reached."""
        return self.sshd.target

    def reach(self, port: int, address: str = "127.0.0.1") -> None:
        """Say where the host is, and that it was looked at just now."""
        from releases.engine import clock
        from releases.models import Host

        target = self.target
        Host.objects.filter(pk=self.world.host.pk).update(
            address=address,
            port=port,
            user=target.user,
            host_key=target.host_key,
            last_checked_at=clock.now(),
            last_check_ok=True,
        )

    @property
    def base(self) -> Path:
        """The step wrapper's folder on the host."""
        return self.sshd.home / ".cloudwiki"

    @property
    def shared(self) -> Path:
        """A folder that the host's login may write to."""
        return self.folder

    def there(self, path: Path) -> Path:
        """What a path of ours is called on the host."""
        return path

    def draft(self, *works: Work) -> "Run":
        """A deployment of these steps, not started."""
        marks = self.shared / f"marks-{uuid.uuid4().hex[:8]}"
        steps = [work.step(self.there(Path(f"{marks}-{work.key}"))) for work in works]
        text = {"kind": "deploy", "title": {"ko": "시험", "en": "Trial"}, "steps": steps}
        self.world.save_runbook(json.dumps(text, ensure_ascii=False))
        self.reach(self.target.port, self.target.address)
        return Run(self, self.world.draft(), works, marks)

    def begin(self, *works: Work) -> "Run":
        """Start a deployment of these steps."""
        run = self.draft(*works)
        run.start()
        return run

    @contextlib.contextmanager
    def ruled(self, **rules: Any) -> Iterator[None]:
        """The environment with other rules for a while."""
        from releases.models import Environment

        row = Environment.objects.filter(pk=self.world.environment.pk)
        before = row.values(*rules).get()
        row.update(**rules)
        self.world.environment.refresh_from_db()
        try:
            yield
        finally:
            row.update(**before)
            self.world.environment.refresh_from_db()

    def order(self, point: str, shell: str) -> Path:
        """Have the host run `shell` once when the step wrapper reaches the point there."""
        folder = self.base / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f"new.{point}"
        new.write_text(shell + "\n")
        return new.rename(folder / point)

    def reached(self, point: str) -> None:
        """Wait until the host has taken the order."""
        wait_for(lambda: (self.base / "faults" / f"{point}.taken").exists(), 60, point)

    def clear(self) -> None:
        """End what a fault that failed left running; where that can't be done, go on with another environment."""
        from releases import lifecycle
        from releases.audit import Actor
        from releases.engine import decide
        from releases.engine.errors import EngineError
        from tests.factories import make_world

        active = self.world.environment.deployments.filter(status__in=lifecycle.ACTIVE)
        for deployment in active:
            with contextlib.suppress(EngineError):
                decide.cancel(deployment, Actor(self.world.requester))
        try:
            until(lambda: not active.all().exists(), CLEAR_SECONDS)
        except TimeoutError:
            self.world = make_world(approvals_required=0)

    def forget_orders(self) -> None:
        """Take back what no run came by."""
        for path in (self.base / "faults").glob("*"):
            path.unlink()
