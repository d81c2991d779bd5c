"""The state for programs: `status.json`, an interface that keeps its fields (docs/public-page.md)."""

import json
from datetime import datetime
from typing import Any, Final

from django.utils.translation import override

from releases.models.choices import LANGUAGES
from releases.public import feeds, words
from releases.public.reader import Reader
from releases.public.snapshot import Notice, Service, Snapshot

VERSION: Final = 1


def status(snapshot: Snapshot, reader: Reader, is_late: bool = False) -> str:
    """Texts in both languages, times in UTC, durations in seconds, uptime in percent."""
    answers = {language: _answer(snapshot, language) for language in LANGUAGES}
    told = {
        "version": VERSION,
        "project": {"key": snapshot.slug, "name": snapshot.name, "page": feeds.page_of(snapshot, reader)},
        "checked_at": _time(snapshot.checked_at),
        "late": is_late,
        "status": answers["en"].code,
        "text": {language: answers[language].text for language in LANGUAGES},
        "services": [_service(one) for one in snapshot.services],
        "current": [_notice(one, snapshot, reader) for one in snapshot.current],
    }
    return json.dumps(told, ensure_ascii=False)


def _answer(snapshot: Snapshot, language: str) -> words.Answer:
    with override(language):
        return words.answer(snapshot)


def _service(one: Service) -> dict[str, Any]:
    return {
        "key": one.key,
        "name": one.name,
        "environment": one.environment or None,
        "state": one.state,
        "since": _time(one.since),
        "uptime_90_days": one.uptime,
        "days": [day.model_dump(mode="json") for day in one.days],
    }


def _notice(one: Notice, snapshot: Snapshot, reader: Reader) -> dict[str, Any]:
    return {
        "number": one.number,
        "kind": one.kind,
        "state": one.state,
        "title": one.title.model_dump(),
        "body_markdown": one.body.model_dump(),
        "services": one.services,
        "starts_at": _time(one.starts_at),
        "ends_at": _time(one.ends_at),
        "began_at": _time(one.began_at),
        "ended_at": _time(one.ended_at),
        "changed_at": _time(one.changed_at),
        "url": feeds.link_of(one, snapshot, reader),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
