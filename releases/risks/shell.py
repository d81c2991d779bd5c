"""What checks ask hosts: shell text in which every value is quoted, shown to people exactly as it is sent."""

from collections.abc import Callable, Iterable
from shlex import quote

from releases.models import Host, HostLooks
from releases.risks.consent import looks_of
from releases.risks.finding import CannotLook, Does, Said, Target, say


def asks(text: Callable[[HostLooks], str]) -> Callable[[Target], list[Does]]:
    """What a check that asks one question does."""

    def does(target: Target) -> list[Does]:
        return [Does("host", Said(text(looks_of(host_of(target)))))]

    return does


def host_of(target: Target) -> Host:
    """The host that is looked at. Raises CannotLook."""
    if target.host is None:
        raise CannotLook(say("no host"))
    return target.host


def words(values: Iterable[str]) -> str:
    """Values as words of a shell command."""
    return " ".join(quote(value) for value in values)


def numbers(text: str) -> list[int]:
    """The whole numbers of a line, in order."""
    return [int(word) for word in text.split() if word.isdecimal()]
