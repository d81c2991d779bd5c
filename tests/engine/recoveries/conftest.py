"""Fixtures of the emergency rollbacks' tests: the messages to workers, and the rules."""

from collections.abc import Callable
from typing import Any

import pytest

from releases.engine import wake
from releases.models import (
    Environment,
)
from tests.engine.team import Team


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What workers are told; the tests are the workers."""
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *told, **_more: sent.append(told) or True)
    return sent


@pytest.fixture
def automatic(team: Team) -> Callable[..., None]:
    """Change the environment's rules."""

    def changed(mode: str = "on", **rules: Any) -> None:
        Environment.objects.filter(pk=team.environment.pk).update(automatic_rollback=mode, **rules)
        team.environment.refresh_from_db()

    return changed
