"""The seed's 4.2: the manual procedure, this system as measured, and the goal, row by row. Durations are in seconds.

What can be reckoned is reckoned; where it can't, a row holds words, and says that they are words.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from django.db.models import Count, Q

from releases.insights import measures
from releases.insights.durations import Spread
from releases.insights.scope import Scope
from releases.insights.sets import deploys
from releases.lifecycle import SUCCEEDED
from releases.models import ComparisonFigures, Project, Step
from releases.models.choices import in_reader_language

Key = Literal["deploy", "downtime", "human_error", "dependence", "build", "maintenance", "rollback"]
Words = tuple[str, str]  # Korean, English
Figure = int | Words
Column = Literal["manual", "ours", "goal"]


@dataclass(frozen=True)
class Shipped:
    """A row as the seed has it. A duration is in seconds; anything else is words."""

    manual: Figure
    goal: Figure
    ours: Words | None = None


ROWS: Final[dict[Key, Shipped]] = {
    "deploy": Shipped(1800, 600),
    "downtime": Shipped(480, 0),
    "human_error": Shipped(("높음", "high"), ("낮음", "low")),
    "dependence": Shipped(("높음 (1~2명)", "high (1 or 2 people)"), ("낮음 (자동화)", "low (automated)")),
    "build": Shipped(
        ("없음", "none"),
        ("구축 시간 필요", "time to build it"),
        ("설치 한 번, 런북 작성 한 번", "one installation, one runbook to write"),
    ),
    "maintenance": Shipped(
        ("높음 (반복 작업)", "high (repeated work)"),
        ("낮음", "low"),
        ("런북과 예상 시간 갱신", "keeping the runbook and its estimates up to date"),
    ),
    "rollback": Shipped(660, ("배포 전략에 따라 단축", "shorter, depending on the strategy")),
}
COLUMNS: Final[tuple[Column, ...]] = ("manual", "ours", "goal")


class Hands(NamedTuple):
    """Steps of the last deployment that succeeded: by a person's hand, and all."""

    manual: int
    all: int


@dataclass(frozen=True)
class Row:
    """One line of the table. `ours` is a spread, two counts (of people or steps), words, or None: nothing yet.

    `met`: whether the goal is met; None where there is no telling.
    """

    key: Key
    manual: Figure
    goal: Figure
    ours: Spread | tuple[int, int] | Words | None
    met: bool | None

    @property
    def is_words(self) -> bool:
        """What stands for this system was said by people."""
        return isinstance(self.ours, tuple) and bool(self.ours) and isinstance(self.ours[0], str)


def of(project: Project, scope: Scope | None) -> list[Row]:
    """Every row of the seed's table; `scope` is production of late, None where there is none. At most six queries."""
    kept = ComparisonFigures.objects.filter(project=project).first()
    said = Said(kept.values if kept else {})
    deploy, downtime, rollback = measures.deploy_times(scope) if scope else (_NONE, _NONE, _NONE)
    ours: dict[Key, Any] = {
        "deploy": deploy if deploy.n else None,
        "downtime": downtime if downtime.n else None,
        "rollback": rollback if rollback.n else None,
        "human_error": hands(scope) if scope else None,
        "dependence": _people(project, scope) if scope else None,
        "build": said.words("build", "ours"),
        "maintenance": said.words("maintenance", "ours"),
    }
    return [_row(key, said, ours[key]) for key in ROWS]


def hands(scope: Scope) -> Hands | None:
    """How many steps of the last deploy that succeeded were done by hand."""
    last = deploys(scope).filter(status=SUCCEEDED).order_by("-started_at").values("pk")[:1]
    found = Step.objects.filter(deployment__in=last).aggregate(
        manual=Count("pk", filter=Q(action="manual") & ~Q(status="skipped")),
        all=Count("pk", filter=~Q(status="skipped")),
    )
    return Hands(found["manual"], found["all"]) if found["all"] else None


class Said:
    """What a project says, over what is shipped. Values by name: "deploy_manual", or "build_goal_ko" for words."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def figure(self, key: Key, column: Column) -> Figure:
        """A duration in seconds, or words."""
        given = getattr(ROWS[key], column)
        if isinstance(given, int):
            return int(self.values.get(f"{key}_{column}", given))
        return self.words(key, column)

    def words(self, key: Key, column: Column) -> Words:
        """Words in both languages."""
        korean, english = getattr(ROWS[key], column)
        name = f"{key}_{column}"
        return self.values.get(f"{name}_ko", korean), self.values.get(f"{name}_en", english)


def in_language(words: Words) -> str:
    """Words in the reader's language."""
    return in_reader_language(*words)


_NONE: Final = Spread(0, None, None, None)


def _row(key: Key, said: Said, ours: Any) -> Row:
    manual, goal = said.figure(key, "manual"), said.figure(key, "goal")
    return Row(key, manual, goal, ours, _met(manual, goal, ours))


def _met(manual: Figure, goal: Figure, ours: Any) -> bool | None:
    """A median against the goal; where the goal is "shorter", against the manual procedure."""
    if not isinstance(ours, Spread) or ours.p50 is None:
        return None
    if isinstance(goal, int):
        return ours.p50 <= goal
    return ours.p50 < manual if isinstance(manual, int) else None


def _people(project: Project, scope: Scope) -> tuple[int, int]:
    """Who deployed in the period, and who could now."""
    return measures.people_count(scope), len(measures.able(project.pk))
