"""Short questions to a machine: a piece of shell text with its values as data, its answer as text."""

import shlex
import time
from collections.abc import Callable, Mapping

from releases.remote.transport import Completed, Transport

KEPT = 256 * 1024  # bytes of an answer that are kept; a longer one is cut
# The text comes in on stdin, so that neither the login shell nor a list of processes sees a value.
_READER = 'exec sh -c "text=\\$(cat); exec </dev/null; eval \\"\\$text\\""'


def ask(
    transport: Transport,
    text: str,
    values: Mapping[str, str] | None = None,
    *,
    seconds: float = 60.0,
    stop: Callable[[], bool] = lambda: False,
) -> Completed:
    """Run shell text on the machine with `values` in shell variables of their names.

    After `seconds`, or when stop() is true, it is let go and `exit_code` is None. Raises ConnectionLost.
    """
    assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in (values or {}).items())
    until = time.monotonic() + seconds
    kept = _Kept()
    done = transport.execute(
        _READER,
        (assignments + text).encode(),
        write=kept,
        stop=lambda: stop() or time.monotonic() > until,
    )
    return Completed(done.exit_code, bytes(kept.data), done.stderr)


class _Kept:
    """The beginning of an answer, however long it is, and its last bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def __call__(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > KEPT:
            del self.data[KEPT - 1024 : -1024]
