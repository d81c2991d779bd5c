"""Named points at which the fault tests break things. Off unless CLOUDWIKI_FAULT_POINTS is set; production refuses it.

`fault_point` does nothing until `arm` gave it a folder of orders: a file "SUBJECT.NAME" holds what shall happen once
when SUBJECT (a deployment's number) reaches the point NAME: "kill" or "stop" (this process, by signal), or "wait"
(until the file is taken out of the folder `taken`). The points on the machine itself are the lines `: point NAME` of
the step wrapper; where points are armed, each runs the order "$BASE/faults/NAME", a piece of shell, once.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

hook: Callable[[str], None] | None = None
subject: ContextVar[str] = ContextVar("subject", default="")  # whose points are reached in this thread

_SHELL_POINT = re.compile(rb"^( *): point ([a-z_]+)$", re.MULTILINE)
_SHELL_ORDER = rb'\1if mv "$BASE/faults/\2" "$BASE/faults/\2.taken" 2>/dev/null; then . "$BASE/faults/\2.taken"; fi'
# To the thread that is there: another one might take the signal only when this one has gone on already.
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


def fault_point(name: str) -> None:
    """Does nothing, unless `hook` is set."""
    if hook is not None:
        hook(name)


def arm(folder: Path) -> None:
    """Obey the orders in `folder` from now on."""
    global hook
    (folder / "taken").mkdir(parents=True, exist_ok=True)
    hook = Orders(folder)
    # The database then says which worker wrote what.
    os.register_at_fork(after_in_child=lambda: os.environ.update(PGAPPNAME=str(os.getpid())))


def with_points(wrapper: bytes) -> bytes:
    """The step wrapper as it is, or with its points live where points are armed."""
    return wrapper if hook is None else _SHELL_POINT.sub(_SHELL_ORDER, wrapper)


class Orders:
    """Does what the files of a folder say, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> None:
        order = self.folder / f"{subject.get()}.{name}"
        taken = self.folder / "taken" / f"{order.name}.{os.getpid()}"
        try:
            what = order.read_text().strip()
            order.rename(taken)
        except FileNotFoundError:
            return
        if what in SIGNALS:
            signal.pthread_kill(threading.get_ident(), SIGNALS[what])
        while what == "wait" and taken.exists():
            time.sleep(0.005)
