"""What bounds a step from outside: how much it may print, how long it may take to end."""

import time
from collections.abc import Callable

import pytest
from django.conf import LazySettings

from releases import lifecycle
from releases.models import Attempt, Deployment
from tests.factories import World

from .test_driver import drive, log_of, make, step  # noqa: F401 - make is a fixture

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., tuple[World, Deployment]]


def test_what_is_printed_beyond_the_setting_is_cut_and_the_log_says_so(make: Make, settings: LazySettings) -> None:  # noqa: F811
    settings.LOG_CAP = 2000
    _world, deployment = make(step("one", "head -c 9000 /dev/zero | tr '\\0' x; exit 3"))
    assert drive(deployment) == lifecycle.FAILED
    assert Attempt.objects.get(step__deployment=deployment).exit_code == 3
    log = log_of(deployment, "one")
    assert log.endswith(b"x\n[log cut here: this step printed more than the limit of 2000 bytes]\n")
    assert log.index(b"\n[log cut") == 2000


def test_what_ignores_the_end_of_its_time_is_killed_after_its_grace(make: Make) -> None:  # noqa: F811
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    _world, deployment = make(step("one", deaf, timeout=1, estimate=1, grace="1s"))
    began = time.monotonic()
    assert drive(deployment) == lifecycle.FAILED
    assert time.monotonic() - began < 9, "the usual grace is 10 s"
    attempt = Attempt.objects.get(step__deployment=deployment)
    assert (attempt.status, attempt.exit_code) == (lifecycle.TIMED_OUT, 137)
