"""The driver, on the controller itself: order, outcomes, decisions. Real wrapper, real database."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection

from releases import lifecycle
from releases.audit import Actor, verify
from releases.engine import clock, decide, driver, start
from releases.engine.errors import Blocked, Conflict
from releases.logs import store
from releases.models import Attempt, AuditEvent, Deployment, Step, lease
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


def step(key: str, command: str = "true", **fields: object) -> str:
    lines = [
        f"  - key: {key}",
        f"    title: {{ko: {key}, en: {key}}}",
        "    role: DevOps",
        "    phase: replace",
        "    runs_on: controller",
    ]
    fields = {"estimate": 10} | fields
    lines += [f"    {name}: {value}" for name, value in fields.items()]
    if "action" not in fields:
        lines += ["    action: shell", f"    parameters: {{command: {command!r}}}"]
    return "\n".join(lines)


def runbook(*steps: str) -> str:
    return "kind: deploy\ntitle: {ko: 시험, en: Test}\nsteps:\n" + "\n".join(steps) + "\n"


@pytest.fixture
def make(data_dir: Path, settings: LazySettings) -> Callable[..., tuple[World, Deployment]]:
    """A started deployment of a runbook made of the given steps."""

    def made(*steps: str) -> tuple[World, Deployment]:
        world = make_world(runbook(*steps), approvals_required=0)
        Path(world.project.workspace()).mkdir(parents=True)
        deployment = world.draft()
        start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
        return world, deployment

    return made


def statuses(deployment: Deployment) -> dict[str, str]:
    return dict(deployment.steps.values_list("key", "status"))


def log_of(deployment: Deployment, key: str) -> bytes:
    attempt = Attempt.objects.filter(step__deployment=deployment, step__key=key).latest("number")
    return store.read(attempt.pk, 0, 1 << 20)


def drive(deployment: Deployment) -> str:
    driver.drive(deployment.pk)
    deployment.refresh_from_db()
    return deployment.status


def in_background(deployment: Deployment) -> threading.Thread:
    def work() -> None:
        try:
            driver.drive(deployment.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """The process exists and is not just waiting to be buried."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(") ", 1)[1][0] not in "ZX"


def test_it_runs_the_steps_in_order_and_succeeds(make: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = make(step("one", "echo 1 >> order"), step("two", "echo 2 >> order; cat order"))
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert log_of(deployment, "two").splitlines()[-2:] == [b"1", b"2"]
    attempt = Attempt.objects.get(step__deployment=deployment, step__key="two")
    assert (attempt.status, attempt.exit_code, attempt.number) == (lifecycle.SUCCEEDED, 0, 1)
    assert deployment.finished_at is not None
    actions = list(
        AuditEvent.objects.filter(deployment=deployment).order_by("sequence").values_list("action", flat=True)
    )
    assert actions[-5:] == ["step.start", "step.succeeded", "step.start", "step.succeeded", "deployment.succeeded"]
    assert list(verify()) == []


def test_independent_steps_run_side_by_side(make: Callable[..., tuple[World, Deployment]]) -> None:
    meet = "touch here-{me}; until [ -e here-{you} ]; do sleep 0.05; done"
    _world, deployment = make(
        step("first"),
        step("left", meet.format(me="left", you="right"), after="[first]", timeout=10),
        step("right", meet.format(me="right", you="left"), after="[first]", timeout=10),
        step("last", after="[left, right]"),
    )
    assert drive(deployment) == lifecycle.SUCCEEDED


def test_a_failed_step_stops_the_run_and_says_where(make: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = make(step("one", "echo bad news; exit 7"), step("two"))
    assert drive(deployment) == lifecycle.FAILED
    assert statuses(deployment) == {"one": lifecycle.FAILED, "two": lifecycle.PENDING}
    attempt = Attempt.objects.get(step__deployment=deployment)
    assert attempt.exit_code == 7
    assert "7" in attempt.reason
    assert deployment.error.startswith("1. ")


def test_a_retry_is_a_new_attempt_and_goes_on(make: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = make(step("one", "test -e mended"), step("two"))
    assert drive(deployment) == lifecycle.FAILED
    (Path(world.project.workspace()) / "mended").touch()
    decide.retry(deployment.steps.get(key="one"), Actor(world.requester))
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert list(
        Attempt.objects.filter(step__key="one", step__deployment=deployment).values_list("number", "status")
    ) == [
        (1, lifecycle.FAILED),
        (2, lifecycle.SUCCEEDED),
    ]


def test_a_skipped_step_needs_a_reason_and_lets_the_run_go_on(make: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = make(step("one", "false"), step("two"))
    drive(deployment)
    failed = deployment.steps.get(key="one")
    with pytest.raises(Exception, match=r"Reason|이유"):
        decide.skip(failed, Actor(world.requester), "  ")
    decide.skip(failed, Actor(world.requester), "done by hand")
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert statuses(deployment) == {"one": lifecycle.SKIPPED, "two": lifecycle.SUCCEEDED}


def test_the_retry_rule_of_a_step_is_kept(make: Callable[..., tuple[World, Deployment]]) -> None:
    command = "echo x >> tries; [ $(wc -l < tries) -ge 3 ]"
    _world, deployment = make(step("one", command, retry="{attempts: 3, delay: 0}"))
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert deployment.steps.get().attempts.count() == 3


def test_a_timeout_ends_the_step_on_the_machine(make: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = make(step("one", "echo begun; exec sleep 600", estimate=1, timeout=1))
    assert drive(deployment) == lifecycle.FAILED
    assert statuses(deployment) == {"one": lifecycle.TIMED_OUT}


def test_a_timeout_ends_what_works_in_the_worker_too(make: Callable[..., tuple[World, Deployment]]) -> None:
    asked = "{urls: ['http://127.0.0.1:1/'], from: controller, attempts: 300, interval: 1}"
    _world, deployment = make(step("one", action="http_check", parameters=asked, estimate=1, timeout=1), step("two"))
    assert drive(deployment) == lifecycle.FAILED
    assert statuses(deployment) == {"one": lifecycle.TIMED_OUT, "two": lifecycle.PENDING}
    assert "1 s" in deployment.error or "1초" in deployment.error


def test_a_manual_step_waits_for_a_person(make: Callable[..., tuple[World, Deployment]]) -> None:
    manual = step("ask", action="manual", parameters="{instructions: {ko: 보세요, en: Look}}")
    world, deployment = make(manual, step("two"))
    assert drive(deployment) == lifecycle.WAITING
    decide.confirm(deployment.steps.get(key="ask"), Actor(world.requester), True, "looked", [])
    assert drive(deployment) == lifecycle.SUCCEEDED
    attempt = Attempt.objects.get(step__key="ask", step__deployment=deployment)
    assert (attempt.decided_by, attempt.note) == (world.requester, "looked")


def test_a_manual_step_answered_no_fails(make: Callable[..., tuple[World, Deployment]]) -> None:
    manual = step("ask", action="manual", parameters="{instructions: {ko: 보세요, en: Look}}")
    world, deployment = make(manual)
    drive(deployment)
    decide.confirm(deployment.steps.get(key="ask"), Actor(world.requester), False, "broken", [])
    assert drive(deployment) == lifecycle.FAILED


def test_cancel_ends_the_process_group(make: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = make(step("one", "(sleep 600 & echo $! > pid; wait)"), step("two"))
    thread = in_background(deployment)
    pid_file = Path(world.project.workspace()) / "pid"
    wait_for(lambda: pid_file.exists() and pid_file.read_text().strip() != "")
    decide.cancel(Deployment.objects.get(pk=deployment.pk), Actor(world.requester))
    thread.join(30)
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.CANCELLED
    assert statuses(deployment) == {"one": lifecycle.CANCELLED, "two": lifecycle.PENDING}
    assert not runs(int(pid_file.read_text()))


def test_it_sees_a_cancel_after_the_database_was_away(make: Callable[..., tuple[World, Deployment]]) -> None:
    """The step goes on, and its driver with it: a driver that leaves waits for the step and sees nothing more."""
    world, deployment = make(step("one", "sleep 120"))
    thread = in_background(deployment)
    wait_for(lambda: statuses(deployment)["one"] == lifecycle.RUNNING)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.rowcount > 0
    decide.cancel(Deployment.objects.get(pk=deployment.pk), Actor(world.requester))
    thread.join(30)
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.CANCELLED
    assert deployment.steps.get().attempts.count() == 1


def test_a_cancelled_deployment_frees_its_environment(make: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = make(step("one"))
    decide.cancel(deployment, Actor(world.requester))
    assert drive(deployment) == lifecycle.CANCELLED
    second = world.draft()
    start.start(second, world.requester, Actor(world.requester), second.plan.digest)
    assert drive(second) == lifecycle.SUCCEEDED
    with pytest.raises((Blocked, Conflict)):
        decide.retry(deployment.steps.get(), Actor(world.requester))


def test_a_second_driver_is_turned_away(make: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = make(step("one"))
    token = lease.take(deployment.pk, "somebody else")
    assert token is not None
    assert drive(deployment) == lifecycle.RUNNING
    assert statuses(deployment) == {"one": lifecycle.PENDING}
    lease.release(deployment.pk, token)
    assert drive(deployment) == lifecycle.SUCCEEDED


def test_a_dead_drivers_step_is_followed_not_run_again(make: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = make(step("one", "echo ran >> ran; for n in 1 2 3 4 5 6; do echo $n; sleep 0.3; done"))
    ran = Path(world.project.workspace()) / "ran"
    thread = in_background(deployment)
    wait_for(ran.exists)
    # The first driver is cut off as if its machine froze: its lease is given to another one.
    lease.Lease.objects.filter(deployment=deployment).update(until=clock.now() - timedelta(seconds=1))
    second = lease.take(deployment.pk, "second")
    assert second is not None
    thread.join(30)
    lease.release(deployment.pk, second)
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert ran.read_text() == "ran\n"
    assert log_of(deployment, "one").splitlines()[-6:] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert deployment.steps.get().attempts.count() == 1


def test_a_failure_is_explained_by_what_an_earlier_driver_stored(
    make: Callable[..., tuple[World, Deployment]],
) -> None:
    says = "echo 'sudo: a password is required'; until [ -e end ]; do sleep 0.05; done; exit 1"
    world, deployment = make(step("one", says))
    thread = in_background(deployment)
    wait_for(lambda: Attempt.objects.filter(step__deployment=deployment, log_lines__gte=2).exists())
    lease.Lease.objects.filter(deployment=deployment).update(until=clock.now() - timedelta(seconds=1))
    second = lease.take(deployment.pk, "second")
    thread.join(30)
    (Path(world.project.workspace()) / "end").touch()
    lease.release(deployment.pk, second or 0)
    assert drive(deployment) == lifecycle.FAILED
    assert "NOPASSWD" in deployment.error


def lose_the_record(deployment: Deployment, settings: LazySettings) -> None:
    """Make the outcome of the running attempt unknowable: end all of it, as a reboot does, with no exit code kept."""
    attempt = Attempt.objects.get(step__deployment=deployment, finished_at__isnull=True)
    folder = Path(settings.ATTEMPTS_DIR) / "attempts" / attempt.remote_id
    (folder / "boot").write_text("another boot\n")
    for name in ("super", "watch", "child"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((folder / name).read_text().split()[0]), signal.SIGKILL)


@pytest.fixture
def unknown(
    make: Callable[..., tuple[World, Deployment]], settings: LazySettings
) -> Callable[..., tuple[World, Deployment]]:
    """A deployment whose first step ended in a way nobody can know."""

    def made(*steps: str) -> tuple[World, Deployment]:
        world, deployment = make(*steps)
        begun = Path(world.project.workspace()) / "begun"
        thread = in_background(deployment)
        wait_for(begun.exists)
        lease.Lease.objects.filter(deployment=deployment).update(until=clock.now() - timedelta(seconds=1))
        token = lease.take(deployment.pk, "second")
        thread.join(30)
        lose_the_record(deployment, settings)
        lease.release(deployment.pk, token or 0)
        return world, deployment

    return made


SLEEPER = "touch begun; sleep 600"


def test_what_cannot_be_known_is_unknown_and_waits(unknown: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = unknown(step("one", SLEEPER), step("two"))
    assert drive(deployment) == lifecycle.UNKNOWN
    assert statuses(deployment) == {"one": lifecycle.UNKNOWN, "two": lifecycle.PENDING}
    assert deployment.is_active


@pytest.mark.parametrize(
    ("answer", "ends"),
    [("worked", lifecycle.SUCCEEDED), ("failed", lifecycle.FAILED)],
)
def test_a_person_resolves_it(unknown: Callable[..., tuple[World, Deployment]], answer: str, ends: str) -> None:
    world, deployment = unknown(step("one", SLEEPER), step("two"))
    drive(deployment)
    decide.resolve(deployment.steps.get(key="one"), Actor(world.requester), answer, "looked at the host")
    assert drive(deployment) == ends


def test_running_it_again_is_a_new_attempt(unknown: Callable[..., tuple[World, Deployment]]) -> None:
    world, deployment = unknown(step("one", "[ -e begun ] && exit 0; " + SLEEPER))
    drive(deployment)
    decide.resolve(deployment.steps.get(), Actor(world.requester), "again", "nothing happened there")
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert list(Attempt.objects.filter(step__deployment=deployment).values_list("status", flat=True)) == [
        lifecycle.FAILED,
        lifecycle.SUCCEEDED,
    ]


def test_a_check_resolves_an_idempotent_step_by_itself(unknown: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = unknown(step("one", SLEEPER, idempotent="true", check="'test -e begun'"))
    assert drive(deployment) == lifecycle.SUCCEEDED


def test_history_refuses_to_be_changed(make: Callable[..., tuple[World, Deployment]]) -> None:
    _world, deployment = make(step("one"))
    drive(deployment)
    attempt = Attempt.objects.get(step__deployment=deployment)
    with pytest.raises(Exception, match="Cannot update"):
        Attempt.objects.filter(pk=attempt.pk).update(exit_code=1)
    with pytest.raises(Exception, match="Cannot delete"):
        Attempt.objects.filter(pk=attempt.pk).delete()
    with pytest.raises(Exception, match="Cannot truncate"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE releases_auditevent")


def test_a_step_with_a_false_condition_does_not_let_its_followers_overtake(
    make: Callable[..., tuple[World, Deployment]],
) -> None:
    _world, deployment = make(
        step("one", "sleep 0.5; touch one"),
        step("nginx", "false", condition="nginx_changed"),
        step("last", "test -e one"),
    )
    assert drive(deployment) == lifecycle.SUCCEEDED
    assert Step.objects.get(deployment=deployment, key="nginx").status == lifecycle.SKIPPED


def test_a_message_of_a_dead_worker_is_read_again_when_its_lease_is_over(
    make: Callable[..., tuple[World, Deployment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _world, deployment = make(step("one"))
    sent: list[tuple[int, float]] = []
    monkeypatch.setattr(driver.wake, "send", lambda task, pk, delay=0.0: sent.append((pk, delay)))
    token = lease.take(deployment.pk, "a worker that died")
    driver.drive(deployment.pk)
    assert sent == []
    driver.drive(deployment.pk, redelivered=True)
    ((number, delay),) = sent
    assert number == deployment.pk
    assert lease.LEASE_SECONDS - 2 < delay <= lease.LEASE_SECONDS
    assert lease.remaining(deployment.pk) > 0
    lease.release(deployment.pk, token)
    assert lease.remaining(deployment.pk) == 0


def test_a_worker_that_stops_tells_of_what_it_drove_twice(
    make: Callable[..., tuple[World, Deployment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker gives one of the messages still to it, and the next driver would wait for that until it has ended."""
    _world, deployment = make(step("one"))
    sent: list[int] = []
    monkeypatch.setattr(driver.wake, "send", lambda task, pk: sent.append(pk))
    monkeypatch.setattr(driver.handover, "wanted", lambda: True)
    driver.drive(deployment.pk)
    assert sent == [deployment.pk] * 2
    assert lease.remaining(deployment.pk) == 0
    monkeypatch.setattr(driver.handover, "wanted", lambda: False)
    assert drive(deployment) == lifecycle.SUCCEEDED
