"""A worker that is told to stop hands its deployments over instead of finishing them."""

import time

from cloudwiki.shutdown import worker_stopping


def wanted() -> bool:
    """This worker is stopping: every driver in it shall let go."""
    return worker_stopping()


def pause(seconds: float) -> None:
    """Sleep, but not past the order to stop."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not wanted():
        time.sleep(0.05)
