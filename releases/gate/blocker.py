"""One reason why a deployment may not start."""

from dataclasses import dataclass

from django.utils.functional import Promise


@dataclass(frozen=True)
class Blocker:
    """One reason: a stable code, a sentence, a detail line, and what mends it.

    `mend` names the button beside it: "prove", "tick", "approve", "unlock", "rebuild", "check_hosts",
    "pin_host", "release", "deployment", "backup", "back_up", "environment", or "" when there is none; `target` is the
    row it acts on.
    `state`: the status of what stands in the way, where it has one that must be seen.
    """

    code: str
    message: str | Promise
    detail: str = ""
    mend: str = ""
    target: int | None = None
    state: str = ""
