"""Fixtures: the emulator of RunPod, and a team that deploys to it."""

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from releases.engine import wake
from tests.emulators.runpod import RunPod
from tests.engine.stage import Stage
from tests.factories import make_world

from .fleet import Fleet
from .guarded import Guarded


@pytest.fixture
def fleet(stage: Stage, settings: LazySettings) -> Iterator[Fleet]:
    """A team with an account at an emulator that is fast; steps speak English, as the tests do."""
    settings.LANGUAGE_CODE = "en"
    settings.SSH_KEY_FILE = stage.server.client_key
    settings.GPU_LOOK_SECONDS, settings.GPU_SETTLE_SECONDS, settings.GPU_QUIET_SECONDS = 0.1, 0.5, 5.0
    with RunPod(10, start=4) as runpod:
        yield Fleet(stage, runpod)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The messages to workers."""
    found: list[tuple[object, ...]] = []
    monkeypatch.setattr(wake, "send", lambda *arguments: found.append(arguments) or True)
    return found


@pytest.fixture
def guarded(transactional_db: None, settings: LazySettings, sent: list[object]) -> Iterator[Guarded]:
    """An environment whose endpoints are watched."""
    settings.GPU_LOOK_SECONDS, settings.GPU_SETTLE_SECONDS, settings.LANGUAGE_CODE = 0.05, 0.3, "en"
    world = make_world()
    world.requester.language = "en"
    world.requester.save()
    with RunPod(speed=0, quota=20) as runpod:
        yield Guarded(world, runpod)
