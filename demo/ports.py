"""Ports of the demo's programs: kept from start to start, unless another program has taken one meanwhile."""

import fcntl
import socket
from collections.abc import Collection
from pathlib import Path


def is_held(lock: Path) -> bool:
    """Whether a running process holds this lock file."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def is_free(address: str, port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((address, port))
        except OSError:
            return False
    return True


def free_port(address: str, taken: Collection[int]) -> int:
    """A port on which nobody listens, and none of `taken`."""
    while True:
        with socket.socket() as attempt:
            attempt.bind((address, 0))
            port = int(attempt.getsockname()[1])
        if port not in taken:
            return port
