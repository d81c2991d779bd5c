"""Everything that a project's public page shows, as plain data. What isn't here can't be shown, nor leak."""

import re
from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, field_validator

ServiceState = Literal["up", "maintenance", "down", "unmeasured"]
DayState = Literal["up", "planned", "down", "none"]
NoticeState = Literal["scheduled", "in_progress", "verifying", "done", "cancelled"]
NoticeKind = Literal["deploy", "rollback", "gpu", "maintenance", "incident"]


# No XML may hold these, so a feed with one of them could not be written.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _printable(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [_CONTROLS.sub("", one) if isinstance(one, str) else one for one in value]
        return _CONTROLS.sub("", value) if isinstance(value, str) else value


class Words(_Plain):
    """One text in both languages."""

    ko: str = ""
    en: str = ""

    def of(self, language: str) -> str:
        """The text in a language, or in the other one where it is missing."""
        first, second = (self.ko, self.en) if language == "ko" else (self.en, self.ko)
        return first or second


class Day(_Plain):
    """One day of a service in its environment's zone; durations in seconds."""

    date: date
    state: DayState
    down: int = 0
    planned: int = 0
    measured: int = 0


class Service(_Plain):
    """A service now and in the past days. `uptime` is in percent, planned downtime left out; None: never measured."""

    key: str
    name: str
    environment: str = ""  # only where the project has several production environments
    zone: str
    state: ServiceState
    since: datetime | None = None
    uptime: float | None = None
    days: list[Day]


class Update(_Plain):
    """One wording that an announcement had."""

    state: NoticeState
    title: Words
    body: Words
    at: datetime


class Notice(_Plain):
    """An announcement. `starts_at`, `ends_at` are planned; `began_at`, `ended_at` as it was; `no_answer` is what probes
    measured (seconds). `updates` begin with the newest.
    """

    number: int
    uid: str
    kind: NoticeKind
    state: NoticeState
    title: Words
    body: Words
    services: list[str]
    zone: str
    starts_at: datetime | None
    ends_at: datetime | None
    began_at: datetime | None
    ended_at: datetime | None
    no_answer: int | None
    created_at: datetime
    changed_at: datetime
    updates: list[Update]

    @property
    def is_incident(self) -> bool:
        """Something broke, as opposed to work that was planned."""
        return self.kind == "incident"

    @property
    def is_over(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in {"done", "cancelled"}

    @property
    def placed_at(self) -> datetime:
        """The moment under which it stands in the past."""
        return self.began_at or self.starts_at or self.created_at


class Episode(_Plain):
    """A stretch in which services gave no answer, unplanned."""

    services: list[str]
    zone: str
    began_at: datetime
    ended_at: datetime | None


class Snapshot(_Plain):
    """A project's public state at `checked_at`."""

    slug: str
    name: str
    uid: str
    zone: str
    created_at: datetime
    checked_at: datetime
    services: list[Service]
    current: list[Notice]
    past: list[Notice]
    episodes: list[Episode]

    @property
    def notices(self) -> list[Notice]:
        """Every announcement in it, the newest change first."""
        return sorted([*self.current, *self.past], key=lambda notice: notice.changed_at, reverse=True)

    def notice(self, number: int) -> Notice | None:
        """The announcement with this number."""
        return next((notice for notice in [*self.current, *self.past] if notice.number == number), None)

    def same_as(self, other: "Snapshot") -> bool:
        """Equal but for the moment of looking."""
        return self.model_copy(update={"checked_at": other.checked_at}) == other
