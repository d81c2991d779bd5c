"""A worker that is told to stop hands its deployments over instead of finishing them.

The event is shared by the worker's processes: made before they are forked, set by the one that gets the signal.
"""

import multiprocessing

_stopping = multiprocessing.get_context("fork").Event()


def want() -> None:
    """Ask every driver of this worker to let go."""
    _stopping.set()


def wanted() -> bool:
    """This worker is stopping."""
    return _stopping.is_set()


def pause(seconds: float) -> None:
    """Sleep, but wake when the worker stops."""
    _stopping.wait(seconds)
