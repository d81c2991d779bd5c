"""Keeping in contact with the machine of one attempt while its network comes and goes."""

import time
from collections.abc import Callable
from datetime import timedelta

from releases import lifecycle
from releases.actions.remote_words import told
from releases.engine import attempts
from releases.engine.keepable import keepable
from releases.engine.run import Run
from releases.models import Attempt
from releases.remote.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostKeyChanged,
    HostKeyNotPinned,
    HostUnreachable,
    RemoteError,
    SessionRefused,
)
from releases.remote.transport import Transport

UNREACHABLE_LIMIT = 600.0  # seconds without contact after which a person is asked
HELD = 30.0  # seconds that a connection must have lasted to count as contact until it broke
LONGEST_PAUSE = 15.0  # seconds between two tries
PASSING = (ConnectionLost, HostUnreachable, SessionRefused, AuthenticationFailed, HostKeyNotPinned)


class OutOfContact(Exception):
    """What became of the attempt can't be asked any more. `str()` is the reason that is kept."""


class Contact:
    """The way to the machine of one attempt, opened anew whenever it breaks.

    `fresh`: the attempt was made by this driver, so nothing of it was ever sent anywhere before. `sent`: something
    may have been. `detached`: it goes on there without us. `since` is when the machine was last found to be there
    (monotonic; None: it is not), `heard_at` when it last said something of the attempt (monotonic; None: not to us).
    """

    def __init__(self, run: Run, attempt: Attempt, role: str, *, fresh: bool, detached: bool) -> None:
        self.run, self.attempt, self.role = run, attempt, role
        self.fresh, self.detached = fresh, detached
        self.since: float | None = None
        self.heard_at: float | None = None
        self.sent = not fresh
        self._way: Transport | None = None

    def transport(self) -> Transport:
        """An open way to the machine. Raises RemoteError."""
        self._way = self.run.machines.transport(self.role)
        self.since, self.sent = time.monotonic(), True
        return self._way

    def hear(self) -> None:
        """It said something."""
        self.heard_at = time.monotonic()

    def keep[T](self, work: Callable[[], T | None]) -> T | None:
        """Do `work` again until it gives a result, however often the connection breaks; None when told to let go.

        Raises RemoteError where nothing was sent yet or waiting can't help, OutOfContact where what was sent
        may have had its effect.
        """
        heard, delay = time.monotonic(), 0.25
        while True:
            try:
                self.since = None if self.detached else time.monotonic()
                found = work()
                if found is not None or self.run.let_go():
                    return found
                heard, delay = time.monotonic(), 0.25
            except RemoteError as error:
                if self.since is not None and time.monotonic() - self.since > HELD:
                    heard = time.monotonic()
                self._drop()
                self._bear(error, heard)
                if pause(delay, self.run.let_go):
                    return None
                delay = min(delay * 2, LONGEST_PAUSE)

    def _drop(self) -> None:
        self.since = None
        if self._way is not None:
            self.run.machines.drop(self.role, self._way)
            self._way = None

    def _bear(self, error: RemoteError, heard: float) -> None:
        """Show that contact is lost and why; raises where waiting can't help."""
        said = told(error)
        if not self.sent or (not self.detached and not isinstance(error, PASSING)):
            raise error
        if isinstance(error, HostKeyChanged):
            raise OutOfContact(said) from error
        if self.fresh and not isinstance(error, PASSING):
            raise error  # such errors come before a launch: nothing was begun there
        if time.monotonic() - heard > UNREACHABLE_LIMIT:
            if not self.detached:
                raise error
            raise OutOfContact("unreachable") from error
        if self.attempt.status != lifecycle.LOST:
            silent = None if self.heard_at is None else timedelta(seconds=time.monotonic() - self.heard_at)
            attempts.show_lost(self.attempt, self.run.token, keepable(said, self.run.secrets.values()), silent)


def pause(seconds: float, let_go: Callable[[], bool]) -> bool:
    """Wait, but not past an order to let go; true when there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if let_go():
            return True
        time.sleep(0.05)
    return let_go()
