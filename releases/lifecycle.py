"""The life cycle of a deployment, a step, an attempt, a GPU endpoint and an announcement, as data.

Pure Python: no Django here, so that the engine, the database constraints, the screens and the
documentation all read one table. Only `releases/engine/` may write a status, only `releases/endpoints/states.py` the
state of an endpoint and only `releases/notices/states.py` that of an announcement (tests hold this).
"""

from collections.abc import Mapping
from typing import Final

DRAFT: Final = "draft"
PENDING: Final = "pending"
DISPATCHING: Final = "dispatching"
RUNNING: Final = "running"
WAITING: Final = "waiting"
LOST: Final = "lost"
CANCELLING: Final = "cancelling"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
ERRORED: Final = "errored"
TIMED_OUT: Final = "timed_out"
CANCELLED: Final = "cancelled"
UNKNOWN: Final = "unknown"
SKIPPED: Final = "skipped"

Transitions = Mapping[str, frozenset[str]]

# A stopped deployment (failed, errored, cancelled) may run again: a retried or skipped step resumes it.
DEPLOYMENT: Final[Transitions] = {
    DRAFT: frozenset({RUNNING, CANCELLED}),
    RUNNING: frozenset({WAITING, UNKNOWN, CANCELLING, SUCCEEDED, FAILED, ERRORED}),
    WAITING: frozenset({RUNNING, UNKNOWN, CANCELLING, FAILED}),
    UNKNOWN: frozenset({RUNNING, CANCELLING, FAILED}),
    CANCELLING: frozenset({CANCELLED, UNKNOWN, SUCCEEDED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset({RUNNING}),
    ERRORED: frozenset({RUNNING}),
    CANCELLED: frozenset({RUNNING}),
}

# A step goes back to pending only to be tried again; its attempts are never overwritten.
STEP: Final[Transitions] = {
    PENDING: frozenset({DISPATCHING, WAITING, SKIPPED, CANCELLED}),
    DISPATCHING: frozenset({RUNNING, LOST, SUCCEEDED, FAILED, ERRORED, TIMED_OUT, CANCELLED, UNKNOWN}),
    RUNNING: frozenset({LOST, SUCCEEDED, FAILED, ERRORED, TIMED_OUT, CANCELLED, UNKNOWN}),
    LOST: frozenset({RUNNING, SUCCEEDED, FAILED, ERRORED, TIMED_OUT, CANCELLED, UNKNOWN}),
    WAITING: frozenset({SUCCEEDED, FAILED, SKIPPED, CANCELLED, TIMED_OUT}),
    UNKNOWN: frozenset({SUCCEEDED, FAILED, PENDING, CANCELLED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset({PENDING, SKIPPED}),
    ERRORED: frozenset({PENDING, SKIPPED}),
    TIMED_OUT: frozenset({PENDING, SKIPPED}),
    CANCELLED: frozenset({PENDING, SKIPPED}),
    SKIPPED: frozenset({PENDING}),
}

ATTEMPT: Final[Transitions] = {
    DISPATCHING: STEP[DISPATCHING],
    RUNNING: STEP[RUNNING],
    LOST: STEP[LOST],
    WAITING: STEP[WAITING] - {SKIPPED},
    UNKNOWN: frozenset({SUCCEEDED, FAILED, CANCELLED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
    ERRORED: frozenset(),
    TIMED_OUT: frozenset(),
    CANCELLED: frozenset(),
}

# GPU endpoints. What was proved stands by; one has the traffic; the one before it is kept until a person retires it.
CREATING: Final = "creating"
TESTING: Final = "testing"
STANDBY: Final = "standby"
ENDPOINT_ACTIVE: Final = "active"
RETAINED: Final = "retained"
RETIRING: Final = "retiring"
RETIRED: Final = "retired"

GPU_ENDPOINT: Final[Transitions] = {
    CREATING: frozenset({TESTING, FAILED, RETIRING}),
    TESTING: frozenset({STANDBY, FAILED, RETIRING}),
    STANDBY: frozenset({TESTING, ENDPOINT_ACTIVE, RETAINED, FAILED, RETIRING}),
    ENDPOINT_ACTIVE: frozenset({STANDBY, RETAINED}),
    RETAINED: frozenset({STANDBY, ENDPOINT_ACTIVE, FAILED, RETIRING}),
    FAILED: frozenset({CREATING, TESTING, STANDBY, RETIRING}),
    RETIRING: frozenset({RETIRED, RETAINED, FAILED}),
    RETIRED: frozenset(),
}

# Announcements. One of a run that stopped before anything was away is called off; a retry takes it up again.
SCHEDULED: Final = "scheduled"
IN_PROGRESS: Final = "in_progress"
VERIFYING: Final = "verifying"
DONE: Final = "done"

ANNOUNCEMENT: Final[Transitions] = {
    SCHEDULED: frozenset({IN_PROGRESS, VERIFYING, DONE, CANCELLED}),
    IN_PROGRESS: frozenset({VERIFYING, DONE, CANCELLED}),
    VERIFYING: frozenset({IN_PROGRESS, DONE, CANCELLED}),
    DONE: frozenset(),
    CANCELLED: frozenset({SCHEDULED, IN_PROGRESS}),
}

# An active deployment holds its environment: at most one exists per environment.
ACTIVE: Final = frozenset({RUNNING, WAITING, UNKNOWN, CANCELLING})
# A stopped one ended without success and may be resumed.
STOPPED: Final = frozenset({FAILED, ERRORED, CANCELLED})
FINISHED: Final = STOPPED | {SUCCEEDED}

# A step that a driver is busy with; work exists or may exist on a host.
STEP_BUSY: Final = frozenset({DISPATCHING, RUNNING, LOST})
# A step that lets its followers start.
STEP_PASSED: Final = frozenset({SUCCEEDED, SKIPPED})
# A step that stops the run until a person acts.
STEP_STOPPED: Final = frozenset({FAILED, ERRORED, TIMED_OUT, CANCELLED})
ATTEMPT_FINISHED: Final = frozenset({SUCCEEDED, FAILED, ERRORED, TIMED_OUT, CANCELLED})


class ForbiddenTransition(Exception):
    """A status change that the table does not allow.

    `current` is the status found, `wanted` the one asked for.
    """

    def __init__(self, kind: str, current: str, wanted: str) -> None:
        super().__init__(f"a {kind} that is {current} cannot become {wanted}")
        self.kind = kind
        self.current = current
        self.wanted = wanted


TABLES: Final[Mapping[str, Transitions]] = {
    "deployment": DEPLOYMENT,
    "step": STEP,
    "attempt": ATTEMPT,
    "endpoint": GPU_ENDPOINT,
    "announcement": ANNOUNCEMENT,
}


def allows(kind: str, current: str, wanted: str) -> bool:
    """Tell whether a `kind` (a key of TABLES) may go from `current` to `wanted`."""
    return wanted in TABLES[kind].get(current, frozenset())


def require(kind: str, current: str, wanted: str) -> None:
    """Raise ForbiddenTransition unless the table allows the change."""
    if not allows(kind, current, wanted):
        raise ForbiddenTransition(kind, current, wanted)


def sources(kind: str, wanted: str) -> frozenset[str]:
    """The statuses from which `wanted` may be reached: the OLD statuses of a guarded update."""
    return frozenset(status for status, allowed in TABLES[kind].items() if wanted in allowed)
