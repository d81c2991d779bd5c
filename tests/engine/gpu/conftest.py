"""Fixtures: the emulator of RunPod, and a team that deploys to it."""

from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from tests.emulators.runpod import RunPod
from tests.engine.stage import Stage

from .fleet import Fleet


@pytest.fixture
def fleet(stage: Stage, settings: LazySettings) -> Iterator[Fleet]:
    """A team with an account at an emulator that is fast; steps speak English, as the tests do."""
    settings.LANGUAGE_CODE = "en"
    settings.SSH_KEY_FILE = stage.server.client_key
    settings.GPU_LOOK_SECONDS, settings.GPU_SETTLE_SECONDS = 0.1, 0.5
    with RunPod(10, start=4) as runpod:
        yield Fleet(stage, runpod)
