"""What the demo's public page tells: examples of announcements, named as such. Measurements are never invented, unless
`load_demo --past` asks for ninety days of them, for pictures and for trying the page out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from releases.models import Announcement, AnnouncementRevision, Coverage, Environment, Outage, Probe, Project

WEEKS: Final = 8
ROLLED_BACK: Final = 3  # weeks ago
Line = tuple[str, str, str, str, str]  # state, title ko, en, text ko, en


@dataclass(frozen=True)
class Told:
    """An announcement of the past: its wordings with their moments, and how it was."""

    kind: str
    lines: Sequence[tuple[datetime, Line]]
    planned: tuple[datetime, datetime] | None
    was: tuple[datetime, datetime] | None


MAINTENANCE: Final[Line] = (
    "scheduled",
    "[예시] 정기 점검 안내",
    "[Example] Regular maintenance",
    "새 버전을 적용하는 동안 화면과 API가 잠시 멈춥니다. **작성 중인 글은 미리 저장해 주세요.** "
    "데이터는 그대로 유지됩니다.",
    "Pages and API pause for a moment while a new version is put in place. **Please save what you are writing.** "
    "No data is lost.",
)
DONE: Final[Line] = (
    "done",
    "[예시] 정기 점검을 마쳤습니다",
    "[Example] Regular maintenance is over",
    "새 버전이 적용되었습니다.",
    "The new version runs.",
)
ROLLED: Final[Line] = (
    "done",
    "[예시] 점검 중 이전 버전으로 되돌렸습니다",
    "[Example] Rolled back during maintenance",
    "새 버전에 문제가 있어 이전 버전으로 되돌렸습니다. 데이터는 그대로입니다.",
    "The new version had a problem, so the earlier one runs again. No data is lost.",
)
INCIDENT: Final[Sequence[tuple[int, Line]]] = (
    (
        3,
        (
            "in_progress",
            "[예시] 접속이 되지 않습니다",
            "[Example] The service does not answer",
            "원인을 확인하고 있습니다.",
            "We are looking for the cause.",
        ),
    ),
    (
        6,
        (
            "verifying",
            "[예시] 원인을 찾아 조치했습니다",
            "[Example] The cause is found and mended",
            "데이터베이스의 디스크가 가득 찼습니다. 공간을 확보하고 다시 시작했습니다.",
            "The disk of the database was full. We made room and started it again.",
        ),
    ),
    (
        25,
        (
            "done",
            "[예시] 예고 없는 장애: 디스크 부족",
            "[Example] Outage: a full disk",
            "정상으로 돌아왔습니다. 다시 일어나지 않도록 다음을 추가했습니다.\n\n- 여유 공간 검사\n- 매일 알림",
            "All is back to normal. So that it does not happen again we added:\n\n"
            "- a check of free space\n- a daily alarm",
        ),
    ),
)


def load(project: Project, *, with_measurements: bool = False) -> None:
    """Make the announcements where nothing was ever announced, and what probes would have measured if that is asked."""
    environment = project.environments.filter(is_production=True).first()
    if environment is None or Announcement.objects.filter(environment=environment).exists():
        return
    now = timezone.now()
    probes = list(Probe.objects.filter(environment=environment).order_by("service__position"))
    past = [
        _maintenance(environment, probes, _wednesday(environment, now, -week), week) for week in range(1, WEEKS + 1)
    ]
    past.append(_incident(environment, probes, now))
    if with_measurements:
        _measure(probes, now, past)
    begins = _wednesday(environment, now, 0)
    written = [(now - timedelta(hours=2), MAINTENANCE)]
    _tell(environment, probes, Told("maintenance", written, (begins, begins + timedelta(minutes=38)), None))


def _measure(probes: Sequence[Probe], now: datetime, past: Sequence[tuple[datetime, datetime, bool]]) -> None:
    """The first probe was asked since ever, the others since later: a service that came after. One had a hiccup."""
    for place, probe in enumerate(probes):
        since = now - timedelta(days=91 - 22 * place)
        Coverage.objects.create(probe=probe, began_at=since, ended_at=now - timedelta(minutes=1))
        for began, ended, planned in past:
            Outage.objects.create(probe=probe, started_at=began, ended_at=ended, planned=planned, detail="refused")
    for probe in probes[:1]:
        began = past[-1][0] + timedelta(days=19, hours=7)
        Outage.objects.create(probe=probe, started_at=began, ended_at=began + timedelta(seconds=48), detail="timeout")


def _maintenance(
    environment: Environment, probes: Sequence[Probe], begins: datetime, week: int
) -> tuple[datetime, datetime, bool]:
    """One Wednesday night, seven minutes and something; returns from when to when, and that it was planned."""
    was = begins + timedelta(minutes=7), begins + timedelta(minutes=14, seconds=21 + 7 * week)
    rolled_back = week == ROLLED_BACK
    ending = ROLLED if rolled_back else DONE
    lines = [(begins - timedelta(hours=8), MAINTENANCE), (was[1] + timedelta(minutes=2), ending)]
    planned = begins, begins + timedelta(minutes=38)
    _tell(environment, probes, Told("rollback" if rolled_back else "maintenance", lines, planned, was))
    return *was, True


def _incident(environment: Environment, probes: Sequence[Probe], now: datetime) -> tuple[datetime, datetime, bool]:
    """A full disk a month ago; returns from when to when, and that nobody planned it."""
    zone = ZoneInfo(environment.zone)
    day = (now.astimezone(zone) - timedelta(days=32)).date()
    began = datetime.combine(day, time(14, 2), zone)
    ended = began + timedelta(minutes=9, seconds=4)
    lines = [(began + timedelta(minutes=after), line) for after, line in INCIDENT]
    _tell(environment, probes, Told("incident", lines, None, (began, ended)))
    return began, ended, False


def _tell(environment: Environment, probes: Sequence[Probe], told: Told) -> None:
    """One announcement, as if each of its wordings had been written at its time."""
    state, title_ko, title_en, body_ko, body_en = told.lines[-1][1]
    words = {"title_ko": title_ko, "title_en": title_en, "body_ko": body_ko, "body_en": body_en}
    starts_at, ends_at = told.planned or (None, None)
    began_at, ended_at = told.was or (None, None)
    row = Announcement.objects.create(
        environment=environment, kind=told.kind, state=state, **words,
        starts_at=starts_at, ends_at=ends_at, began_at=began_at, ended_at=ended_at,
    )  # fmt: skip
    row.services.set(probe.service for probe in probes)
    Announcement.objects.filter(pk=row.pk).update(created_at=told.lines[0][0], updated_at=told.lines[-1][0])
    for moment, (said, ko, en, text_ko, text_en) in told.lines:
        wording = AnnouncementRevision(
            announcement=row, state=said, title_ko=ko, title_en=en, body_ko=text_ko, body_en=text_en, created_at=moment
        )
        wording.save_base(raw=True, force_insert=True)  # keeps the moment that is given


def _wednesday(environment: Environment, now: datetime, weeks: int) -> datetime:
    """02:00 of the next Wednesday in the environment's zone, and so many weeks later."""
    zone = ZoneInfo(environment.zone)
    today = now.astimezone(zone).date()
    day = today + timedelta(days=(2 - today.weekday()) % 7 or 7)
    return datetime.combine(day + timedelta(weeks=weeks), time(2), zone)
