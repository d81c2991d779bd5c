"""Small texts that several actions print into logs, and the shell files they are made of."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "scripts"


def shown(lines: Iterable[str]) -> str:
    """A command of one or more lines as a terminal shows it."""
    return "$ " + "\n> ".join(lines)


def size(count: int) -> str:
    """A number of bytes for people: 88.3 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


@cache
def shell_text(*names: str) -> str:
    """Shell files of this package, one after the other."""
    return "".join((_FOLDER / name).read_text() for name in names)
