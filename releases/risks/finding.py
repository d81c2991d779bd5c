"""What a check is, what it looks at, and what it finds. Its texts are kept in both languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.utils.functional import Promise

from releases.models import Environment, Host, Project
from releases.models.choices import in_each_language
from releases.models.risk import Seen

if TYPE_CHECKING:
    from releases.risks.ways import Ways


@dataclass(frozen=True)
class Said:
    """A sentence that waits for its language: a lazy text and what its placeholders hold."""

    text: Promise | str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        text = str(self.text % self.facts) if self.facts else str(self.text)
        return text.replace("\0", "␀")  # PostgreSQL holds no NUL

    def kept(self) -> dict[str, str]:
        """The sentence in each language, as rows keep it."""
        return in_each_language(self.__str__)


def say(text: Promise | str, **facts: Any) -> Said:
    """A sentence with its facts, such as say(_("%(n)s hosts"), n=2)."""
    return Said(text, facts)


@dataclass(frozen=True)
class Line:
    """One thing that was seen."""

    label: Said
    value: Said

    def kept(self) -> dict[str, dict[str, str]]:
        """As rows keep it."""
        return {"label": self.label.kept(), "value": self.value.kept()}


def line(label: Promise | str | Said, value: object) -> Line:
    """One thing that was seen; the value may be a sentence, a translated text, or anything with a `str`."""
    shown = value if isinstance(value, Said) else Said(value if isinstance(value, Promise) else str(value))
    return Line(label if isinstance(label, Said) else Said(label), shown)


@dataclass(frozen=True)
class Finding:
    """`said` is one sentence, `evidence` what it rests on, `mend` what to do about it (None: nothing)."""

    seen: Seen
    said: Said
    evidence: tuple[Line, ...] = ()
    mend: Said | None = None


def ok(said: Said, *evidence: Line) -> Finding:
    """It is in order."""
    return Finding(Seen.OK, said, evidence)


def warning(said: Said, mend: Said, *evidence: Line) -> Finding:
    """It wants attention."""
    return Finding(Seen.WARNING, said, evidence, mend)


def risk(said: Said, mend: Said, *evidence: Line) -> Finding:
    """It is a risk."""
    return Finding(Seen.RISK, said, evidence, mend)


def not_known(why: Said, mend: Said | None = None, *evidence: Line) -> Finding:
    """It could not be looked at: never the same as being in order."""
    return Finding(Seen.NOT_KNOWN, why, evidence, mend)


class CannotLook(Exception):
    """A check could not see what it wanted to; `said` is why."""

    def __init__(self, said: Said) -> None:
        super().__init__(str(said))
        self.said = said


@dataclass(frozen=True)
class Target:
    """What a check looks at. `key` is the same at every look, `name` is for people, `subject` what the check needs."""

    key: str
    name: str
    project: Project
    environment: Environment | None = None
    host: Host | None = None
    subject: Any = None


@dataclass(frozen=True)
class Does:
    """What a look does, word for word: on a host over SSH, from the controller, or in Cloud Wiki's own records."""

    place: Literal["host", "controller", "records"]
    text: Said

    @property
    def is_command(self) -> bool:
        """It is text for a machine, not a sentence."""
        return self.place != "records"


def records(text: Promise | str) -> Callable[[Target], list[Does]]:
    """Of a check that asks only Cloud Wiki's own records: what it reads there."""
    return lambda _target: [Does("records", Said(text))]


@dataclass(frozen=True)
class Check:
    """One check. `rows` are the rows of the seed that it is about, the first one its own place on the page.

    `on_host`: it touches a host, so it asks for that host's switch.
    """

    kind: str
    title: Promise
    rows: tuple[str, ...]
    targets: Callable[[Project], Iterable[Target]]
    does: Callable[[Target], list[Does]]
    look: Callable[[Target, Ways], Finding]
    on_host: bool = False
