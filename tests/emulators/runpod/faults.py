"""What can be made to go wrong, and for whom."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

# Each kind and what it does. Those of the second group strike a request and are used up (`times`, 1 unless given).
STATES = {
    "no_capacity": "new workers stay THROTTLED",
    "crash_loop": "workers become UNHEALTHY instead of ready, start over and crash again; `times` crashes if given",
    "slow_start": "new workers take `seconds` longer to start",
    "engine_dead": "workers look fine and every job fails",
    "broken_image": "workers become ready and never take a job",
    "wrong_answers": "the model answers nonsense",
    "slow_answers": "each job takes `seconds` longer",
}
STRIKES = {
    "rate_limit": "429 with Retry-After `retry_after` (s)",
    "server_error": "`status`; from 502 on with a page of HTML, as a proxy in front answers",
    "lost_reply": "the request is done, its reply never sent; only creating an endpoint unless `only` says what else",
    "no_reply": "the request is done, its reply held back until the client gives up",
}
ACTIONS = {"max_zero": "sets workers.max to 0, once, as the platform does after a week without requests"}
KINDS = {**STATES, **STRIKES, **ACTIONS}
CREATE = "POST /v2/serverless"


@dataclass
class Fault:
    """One thing that goes wrong until it is cleared or used up.

    `target`: the id, name or image of an endpoint; all of them without. `plane`: "control" or "data"; both without.
    `only`: a shell pattern of "METHOD /path". `seconds` are simulated.
    """

    kind: str
    target: str | None = None
    times: int | None = None
    seconds: float = 0
    status: int = 500
    retry_after: int = 1
    plane: str | None = None
    only: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind} is no fault: {', '.join(KINDS)}")
        if self.kind in STRIKES and self.times is None:
            self.times = 1
        if self.kind == "lost_reply" and self.only is None:
            self.only = CREATE

    def hits(self, names: set[str]) -> bool:
        return self.target is None or self.target in names


class Faults:
    """The faults there are now. Whoever uses it holds the account's lock."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.active.append(fault)

    def clear(self, kind: str | None = None) -> None:
        self.active = [fault for fault in self.active if kind is not None and fault.kind != kind]

    def of(self, kind: str, names: set[str]) -> Fault | None:
        """The fault of this kind that an endpoint with these names has."""
        return next((fault for fault in self.active if fault.kind == kind and fault.hits(names)), None)

    def use(self, fault: Fault) -> None:
        """Count it once; the last time it goes."""
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.active.remove(fault)

    def strike(self, kind: str, plane: str, request: str) -> Fault | None:
        """The fault of this kind that hits this request ("METHOD /path"); it is used up by it."""
        for fault in self.active:
            fits = fault.plane in (None, plane) and (fault.only is None or fnmatchcase(request, fault.only))
            if fault.kind == kind and fits:
                self.use(fault)
                return fault
        return None
