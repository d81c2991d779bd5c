"""Why a verb of the engine said no."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from releases.gate import Blocker


class EngineError(Exception):
    """A request that can't be carried out now. `str()` of it is one translated sentence for the person."""


class Conflict(EngineError):
    """Somebody else, or the run itself, changed the row first."""


class NotAllowed(EngineError):
    """The person may not do this to this row: approving their own request, say."""


class Blocked(EngineError):
    """The gate is shut; `blockers` are the reasons."""

    def __init__(self, blockers: Sequence["Blocker"]) -> None:
        super().__init__("; ".join(str(blocker.message) for blocker in blockers))
        self.blockers = list(blockers)
