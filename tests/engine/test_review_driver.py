"""What a review found in the driver: words that leak or can't be stored, a second start, targets that changed."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from django.conf import LazySettings

from releases import lifecycle, secrets
from releases.actions.base import StepContext
from releases.actions.shell import Shell
from releases.audit import Actor
from releases.engine import attempts, decide, driver, start
from releases.engine.leasing import LeaseKeeper
from releases.models import Attempt, AuditEvent, Deployment, Host, Release, Step, Variable, lease
from releases.remote.local import LocalTransport
from releases.remote.steps import StepClient, StepScript
from tests.engine.test_driver import runbook, step
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "hunter2-correct-horse"


@pytest.fixture
def begun(data_dir: Path, settings: LazySettings) -> Callable[..., tuple[World, Deployment]]:
    """A started deployment of a runbook made of the given steps; the environment has the secret `token`."""
    settings.SECRETS_KEY_FILE = data_dir / "secrets.key"
    settings.SECRETS_KEY_FILE.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")

    def made(*steps: str, **release: object) -> tuple[World, Deployment]:
        text = f"variables:\n  - {{name: token, type: secret}}\n{runbook(*steps)}"
        world = make_world(text, approvals_required=0)
        sealed = secrets.seal(SECRET)
        Variable.objects.create(environment=world.environment, name="token", is_secret=True, ciphertext=sealed)
        Release.objects.filter(pk=world.release.pk).update(**release)
        world.release.refresh_from_db()
        Path(world.project.workspace()).mkdir(parents=True)
        deployment = world.draft()
        start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
        return world, deployment

    return made


def drive(deployment: Deployment) -> Step:
    """One slice; the first step as it is afterwards."""
    driver.drive(deployment.pk)
    deployment.refresh_from_db()
    return deployment.steps.get(position=1)


def test_no_secret_in_a_reason_or_the_audit_log(begun: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = begun(step("one", 'echo "$(cat {token_file}): No such file or directory"; exit 1'))
    first = drive(deployment)
    assert first.status == lifecycle.FAILED
    assert "••••••" in first.reason
    kept = [first.reason, deployment.error, first.attempts.get().reason, str(first.attempts.get().evidence)]
    kept += [str(event.detail) for event in AuditEvent.objects.filter(deployment=deployment)]
    assert not [text for text in kept if SECRET in text]


def test_a_reason_with_bytes_that_no_text_may_hold_is_kept(begun: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = begun(step("one", r"printf 'a\000b: Permission denied\n'; exit 1"))
    first = drive(deployment)
    assert first.status == lifecycle.FAILED
    assert "b" in first.reason
    assert deployment.status == lifecycle.FAILED


def test_an_attempt_that_was_seen_running_is_never_launched_again(
    begun: Callable[..., tuple[World, Deployment]], data_dir: Path
) -> None:
    """Its folder on the machine is gone: whether it worked is for a person to say."""
    _world, deployment = begun(step("one", "echo ran >> ran"))
    token = lease.take(deployment.pk, "gone")
    assert token is not None
    attempt = attempts.begin(deployment.steps.get(), token, None)
    attempts.show_running(attempt, token)
    lease.release(deployment.pk, token)
    shutil.rmtree(data_dir / "attempts", ignore_errors=True)
    first = drive(deployment)
    assert (first.status, first.reason) == (lifecycle.UNKNOWN, "vanished")
    assert not (Path(deployment.release.project.workspace()) / "ran").exists()


def test_a_migration_changed_after_the_start_does_not_run(begun: Callable[..., tuple[World, Deployment]]) -> None:
    fields = {"action": "sql", "parameters": "{database: shop, file: '{migration}'}"}
    _world, deployment = begun(
        step("one", **fields).replace("runs_on: controller", "runs_on: app"),
        schema_changed=True,
        migration_name="V1.sql",
        migration_sql="SELECT 1;",
    )
    Release.objects.filter(pk=deployment.release_id).update(migration_sql="DROP TABLE people;")
    first = drive(deployment)
    assert first.status == lifecycle.ERRORED
    assert not first.attempts.get().log_size
    assert "V1.sql" in first.reason


@pytest.mark.parametrize("change", [{"address": "192.0.2.7"}, {"fingerprint": "SHA256:other"}, {"user": "root"}])
def test_a_host_changed_after_the_start_gets_nothing(
    begun: Callable[..., tuple[World, Deployment]], change: dict[str, str]
) -> None:
    world, deployment = begun(step("one").replace("runs_on: controller", "runs_on: app"))
    Host.objects.filter(pk=world.host.pk).update(**change)
    first = drive(deployment)
    assert first.status == lifecycle.ERRORED
    assert "prod-1" in first.reason
    assert "approved" in first.reason or "승인" in first.reason


def test_a_host_that_is_gone_ends_the_step_and_not_the_driver(begun: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = begun(step("one").replace("runs_on: controller", "runs_on: app"))
    Host.objects.filter(pk=world.host.pk).update(role="other")
    first = drive(deployment)
    assert (first.status, deployment.status) == (lifecycle.ERRORED, lifecycle.ERRORED)


def test_a_secret_changed_after_the_start_is_not_used(begun: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = begun(step("one", "cat {token_file} > copy"))
    Variable.objects.update(ciphertext=secrets.seal("another-secret-value"), version=2)
    first = drive(deployment)
    assert first.status == lifecycle.ERRORED
    assert "token" in first.reason
    assert not (Path(deployment.release.project.workspace()) / "copy").exists()


def test_a_secret_that_can_not_be_opened_ends_the_step_and_not_the_driver(
    begun: Callable[..., tuple[World, Deployment]], settings: LazySettings
) -> None:
    _world, deployment = begun(step("one", "true"))
    settings.SECRETS_KEY_FILE.write_text("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=\n")
    os.utime(settings.SECRETS_KEY_FILE, (1, 1))
    first = drive(deployment)
    assert (first.status, deployment.status) == (lifecycle.ERRORED, lifecycle.ERRORED)
    assert first.reason


def test_an_open_attempt_whose_secrets_can_not_be_opened_is_unknown(
    begun: Callable[..., tuple[World, Deployment]], settings: LazySettings
) -> None:
    """Its log can't be masked, so it is not read; what it came to is for a person to say."""
    _world, deployment = begun(step("one", "true"))
    token = lease.take(deployment.pk, "gone")
    assert token is not None
    attempts.begin(deployment.steps.get(), token, None)
    lease.release(deployment.pk, token)
    settings.SECRETS_KEY_FILE.write_text("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=\n")
    os.utime(settings.SECRETS_KEY_FILE, (1, 1))
    first = drive(deployment)
    assert (first.status, deployment.status) == (lifecycle.UNKNOWN, lifecycle.UNKNOWN)
    assert Attempt.objects.get(step=first).reason


def test_a_launch_that_comes_after_the_cancel_is_refused(
    begun: Callable[..., tuple[World, Deployment]], settings: LazySettings, tmp_path: Path
) -> None:
    """The first driver froze before its launch; it was cancelled meanwhile, and shown so."""
    world, deployment = begun(step("one"))
    token = lease.take(deployment.pk, "frozen")
    assert token is not None
    attempt = attempts.begin(deployment.steps.get(), token, None)
    lease.release(deployment.pk, token)
    decide.cancel(deployment, Actor(world.requester))
    assert drive(deployment).status == lifecycle.CANCELLED
    late = StepScript(
        attempt=attempt.remote_id,
        text=f"touch {tmp_path}/ran".encode(),
        parameters={},
        secrets={},
        lock=f"environment-{world.environment.pk}",
        token=token,
        timeout=10,
        silence_timeout=None,
    )
    client = StepClient(LocalTransport(), str(settings.ATTEMPTS_DIR))
    status = client.launch_and_follow(late, 0, lambda data: None, lambda: False)
    assert (status.state, (tmp_path / "ran").exists()) == ("fenced", False)


def test_our_own_fault_after_the_launch_is_unknown_and_not_tried_again(
    begun: Callable[..., tuple[World, Deployment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(action: Shell, context: StepContext) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Shell, "succeeded", broken)
    _world, deployment = begun(step("one", "echo ran >> ran", retry="{attempts: 2, delay: 0}"))
    first = drive(deployment)
    assert (first.status, deployment.status) == (lifecycle.UNKNOWN, lifecycle.UNKNOWN)
    assert "a fault of ours" in first.reason
    assert (Path(deployment.release.project.workspace()) / "ran").read_text() == "ran\n"


def test_a_step_may_be_put_away_while_another_asks_whether_to_let_go(
    begun: Callable[..., tuple[World, Deployment]],
) -> None:
    _world, deployment = begun(step("one"), step("two"))
    asked = driver.Driver(deployment.pk, 1, LeaseKeeper(deployment.pk, 1))
    asked.ends = 0.0

    class Ending:
        @property
        def direct(self) -> bool:
            asked.performing.clear()  # as the driver's own thread does at any moment
            return False

    asked.performing = dict.fromkeys(("one", "two"), (Ending(), Future()))  # type: ignore[assignment]
    assert asked._let_go()
