"""A run whose step goes on until the test lets it end."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.run import Run
from tests.faults.slot import Slot, Work


@dataclass
class Held:
    """`run`, and the file whose presence lets its step end."""

    run: Run
    go: Path

    def let_end(self) -> None:
        """The step ends within a tenth of a second."""
        self.go.touch()

    @property
    def has_ended(self) -> bool:
        """The step has come to its end on the host."""
        return any(mark.startswith("ended") for mark in self.run.marked())


def held(slot: Slot, *, lines: int = 20, code: int = 0, before: str = "", **more: Any) -> Held:
    """A draft whose first step prints, waits, and ends when told to; a short one follows. `more` is for the runbook."""
    go = slot.folder / f"go-{uuid.uuid4().hex[:8]}"
    work = Work(lines=lines, code=code, before=before, after=f"until [ -e {go} ]; do sleep 0.05; done", more=more)
    return Held(slot.draft(work, Work("next", lines=5)), go)
