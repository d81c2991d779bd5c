"""What ended attempts leave on a machine goes away once it is stored here, and not before."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from releases import lifecycle
from releases.engine import clock, tidy
from releases.logs.store import LogWriter
from releases.models import Attempt, Deployment, FolderRemoval, Host
from tests.engine.test_driver import drive, step
from tests.engine.test_driver import make as make
from tests.engine.test_review_driver import SECRET
from tests.engine.test_review_driver import begun as begun
from tests.factories import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def at_once(settings: LazySettings) -> None:
    """Folders are due as soon as their attempts ended."""
    settings.ATTEMPT_HOURS = 0


def folders(settings: LazySettings) -> list[str]:
    return sorted(path.name for path in (Path(settings.ATTEMPTS_DIR) / "attempts").iterdir())


def test_folders_of_ended_attempts_are_removed_once(
    make: Callable[..., tuple[World, Deployment]], settings: LazySettings
) -> None:
    _world, deployment = make(step("one", "echo said"), step("two", "echo more; exit 3"))
    assert drive(deployment) == lifecycle.FAILED
    assert len(folders(settings)) == 2
    assert all(len(digest) == 64 for digest in Attempt.objects.values_list("log_sha256", flat=True))
    assert tidy.tidy() == 2
    assert folders(settings) == []
    assert list(FolderRemoval.objects.values_list("kept_because", flat=True)) == ["", ""]
    assert tidy.tidy() == 0


def test_a_young_one_stays(make: Callable[..., tuple[World, Deployment]], settings: LazySettings) -> None:
    settings.ATTEMPT_HOURS = 1
    _world, deployment = make(step("one"))
    drive(deployment)
    assert tidy.tidy() == 0
    assert len(folders(settings)) == 1
    assert Attempt.objects.get().finished_at > clock.now() - timedelta(hours=1)


def test_a_log_that_is_another_one_there_stays_and_is_told(
    make: Callable[..., tuple[World, Deployment]], settings: LazySettings
) -> None:
    _world, deployment = make(step("one", "echo said"))
    drive(deployment)
    log = Path(settings.ATTEMPTS_DIR) / "attempts" / Attempt.objects.get().remote_id / "log"
    log.write_bytes(b"SAID\n")
    assert tidy.tidy() == 0
    assert len(folders(settings)) == 1
    assert "not the stored one" in FolderRemoval.objects.get().kept_because
    assert tidy.tidy() == 0


@pytest.mark.parametrize("changed", [False, True])
def test_a_log_stored_by_several_drivers_is_read_again(
    begun: Callable[..., tuple[World, Deployment]],
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    changed: bool,
) -> None:
    monkeypatch.setattr(LogWriter, "raw_sha256", None)
    _world, deployment = begun(step("one", "echo; cat {token_file}; echo; echo end"))
    assert drive(deployment) == lifecycle.SUCCEEDED
    attempt = Attempt.objects.get()
    assert attempt.log_sha256 == ""
    log = Path(settings.ATTEMPTS_DIR) / "attempts" / attempt.remote_id / "log"
    assert SECRET in log.read_text()
    if changed:
        log.write_text(log.read_text().replace("end", "END"))
    assert tidy.tidy() == (0 if changed else 1)
    assert log.exists() is changed


def test_what_never_came_to_the_machine_counts_as_removed(make: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = make(step("one", action="wait", parameters="{seconds: 0}"))
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert tidy.tidy() == 1


def test_a_machine_that_is_away_is_left_for_later(make: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = make(step("one"))
    drive(deployment)
    Host.objects.filter(pk=world.host.pk).update(port=1)
    assert tidy._tidy_machine(Host.objects.get(pk=world.host.pk), [Attempt.objects.get()]) == 0
    assert not FolderRemoval.objects.exists()
