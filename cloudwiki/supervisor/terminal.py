"""What the person at the terminal reads: one prefixed, coloured line at a time."""

import os
import sys

COLOURS = {"web": 36, "worker": 32, "beat": 34, "probes": 35, "demo-host": 33, "demo-gpu": 95}
WIDTH = 9


def has_colours() -> bool:
    """Whether to colour: a terminal that has not asked for none (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def say(name: str, line: str) -> None:
    """Print one line of the process `name`. A terminal that has gone away is no reason to stop."""
    prefix = f"{name:<{WIDTH}} |"
    if has_colours():
        prefix = f"\x1b[{COLOURS.get(name, 1)}m{prefix}\x1b[0m"
    try:
        sys.stdout.write(f"{prefix} {line}\n")
        sys.stdout.flush()
    except OSError:
        pass
