"""Writing other estimates into the text of a runbook: nothing else of the text changes."""

from collections.abc import Mapping

from .loader import load
from .source import parse


class NoSuchStep(Exception):
    """The text has no step of that key. `str()` is the key."""


def with_estimates(text: str, seconds: Mapping[str, int]) -> str:
    """The text with the estimates (seconds) of the steps named by key. Raises NoSuchStep, RunbookErrors."""
    load(text)
    source = parse(text)
    places = {step["key"]: ("steps", number, "estimate") for number, step in enumerate(source.data["steps"])}
    missing = [key for key in seconds if key not in places]
    if missing:
        raise NoSuchStep(missing[0])
    changed = source.text
    spans = sorted(
        ((source.values[places[key]], wanted) for key, wanted in seconds.items()), key=lambda one: -one[0].start
    )
    for span, wanted in spans:
        changed = changed[: span.start] + written(wanted) + changed[span.end :]
    return changed


def written(seconds: int) -> str:
    """Seconds as a runbook's author writes them: 45s, 5m, 2h."""
    for length, unit in ((3600, "h"), (60, "m")):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
