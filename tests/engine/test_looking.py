"""Looking at a step of unknown outcome: the probe command on a real host, and everything that may come between."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from releases import lifecycle
from releases.audit import Actor
from releases.engine import attempts, clock, conclude, consent, handover, looking, start
from releases.engine.attempts import Outcome, Retries
from releases.engine.errors import Conflict, EngineError
from releases.models import AuditEvent, Deployment, Look, Step, Variable, lease
from tests.engine.stage import STEP, Stage

type Ask = Callable[..., Look]
TOKEN = [{"name": "token", "type": "secret"}]


@pytest.fixture
def unknown(stage: Stage, settings: LazySettings) -> Callable[..., Step]:
    """The step of a deployment whose outcome nobody knows."""
    settings.SSH_KEY_FILE = stage.server.client_key

    def made(probe: str, **more: Any) -> Step:
        fields = {"action": "shell", "parameters": {"command": "true"}} | ({"probe": probe} if probe else {})
        deployment = stage.draft([{**STEP, **fields, **more.pop("step", {})}, {**LATER}], **more)
        user = stage.world.approver
        consent.approve(deployment, user, Actor(user), deployment.plan.digest)
        start.start(deployment, user, Actor(user), deployment.plan.digest)
        token = lease.take(deployment.pk, "test")
        assert token is not None
        attempt = attempts.begin(deployment.steps.get(key="only"), token, stage.world.host)
        attempts.finish(attempt, token, Outcome(lifecycle.UNKNOWN, "reboot"), Retries())
        conclude.conclude(deployment, token)
        lease.release(deployment.pk, token)
        return deployment.steps.select_related("deployment").get(key="only")

    return made


LATER = {
    "key": "later", "title": {"en": "Later"}, "role": "DevOps", "phase": "finish", "action": "wait",
    "parameters": {"seconds": 0}, "estimate": 1,
}  # fmt: skip


@pytest.fixture
def look(stage: Stage) -> Ask:
    """Ask for a look, carry it out, and give what is kept of it."""

    def made(step: Step) -> Look:
        asked = looking.ask(step, stage.world.requester, Actor(stage.world.requester))
        looking.carry_out(asked.pk)
        asked.refresh_from_db()
        return asked

    return made


def statuses(step: Step) -> tuple[str, list[str]]:
    return Deployment.objects.get(pk=step.deployment_id).status, list(
        Step.objects.filter(deployment=step.deployment_id).values_list("status", flat=True)
    )


def test_it_shows_what_the_command_prints_and_changes_nothing(
    stage: Stage, unknown: Callable[..., Step], look: Ask
) -> None:
    step = unknown("cat \"$HOME/live\"; printf '\\033[32mgreen\\033[0m {version}\\n'; echo oops >&2; exit 3")
    (stage.home / "live").write_text("v2.7.0\n")
    before = statuses(step)
    seen = look(step)
    assert (seen.ending, seen.exit_code, seen.problem) == ("exited", 3, "")
    assert seen.output.splitlines() == ["v2.7.0", "green v2.8.0", "oops"]
    assert seen.seconds is not None and seen.host_name == stage.world.host.name
    assert statuses(step) == before == (lifecycle.UNKNOWN, [lifecycle.UNKNOWN, lifecycle.PENDING])
    (event,) = AuditEvent.objects.filter(action="step.look")
    assert (event.actor, event.target_id) == (stage.world.requester, str(step.pk))


def test_it_leaves_nothing_on_the_host(stage: Stage, unknown: Callable[..., Step], look: Ask) -> None:
    look(unknown("true"))
    assert list((stage.home / ".cloudwiki" / "attempts").iterdir()) == []


def test_the_page_is_told_when_it_begins_and_ends(unknown: Callable[..., Step], look: Ask) -> None:
    step = unknown("true")
    before = Deployment.objects.get(pk=step.deployment_id).version
    look(step)
    assert Deployment.objects.get(pk=step.deployment_id).version == before + 3


def test_secrets_reach_the_command_and_never_the_row(stage: Stage, unknown: Callable[..., Step], look: Ask) -> None:
    stage.secret("token", "s3cret-of-the-host")
    step = unknown("cat {token_file}; echo; head -c 65530 /dev/zero | tr '\\0' x; cat {token_file}", variables=TOKEN)
    seen = look(step)
    assert seen.output.startswith("••••••\nxxx")
    assert "s3cret" not in seen.output
    assert seen.is_cut


def test_output_is_limited(unknown: Callable[..., Step], look: Ask) -> None:
    seen = look(unknown("yes 0123456789 | head -c 300000; echo the end"))
    assert (seen.exit_code, seen.is_cut) == (0, True)
    assert len(seen.output.encode()) <= looking.OUTPUT
    assert "the end" not in seen.output


def test_bytes_that_are_no_text_are_kept_readable(unknown: Callable[..., Step], look: Ask) -> None:
    assert look(unknown("printf 'a\\0\\377z'")).output == "a␀\ufffdz"


def test_a_command_that_hangs_is_ended_on_the_host(
    unknown: Callable[..., Step], look: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LIMIT", 1)
    seen = look(unknown("echo begun; sleep 600"))
    assert (seen.ending, seen.exit_code, seen.output.strip()) == ("timed_out", None, "begun")
    assert "1" in seen.problem


def test_an_unreachable_host_is_said_plainly(stage: Stage, unknown: Callable[..., Step], look: Ask) -> None:
    step = unknown("true")
    stage.server.stop()
    seen = look(step)
    assert (seen.ending, seen.exit_code, seen.output) == ("unreachable", None, "")
    assert "호스트" in seen.problem or "host" in seen.problem
    assert statuses(step)[0] == lifecycle.UNKNOWN


def test_another_machine_than_the_approved_one_is_not_asked(
    stage: Stage, unknown: Callable[..., Step], look: Ask
) -> None:
    step = unknown('touch "$HOME/looked"')
    type(stage.world.host).objects.filter(pk=stage.world.host.pk).update(address="localhost")
    assert look(step).ending == "impossible"
    assert not (stage.home / "looked").exists()


def test_a_changed_secret_is_not_sent(stage: Stage, unknown: Callable[..., Step], look: Ask) -> None:
    stage.secret("token", "s3cret-of-the-host")
    step = unknown("cat {token_file}", variables=TOKEN)
    Variable.objects.filter(name="token").update(version=2)
    seen = look(step)
    assert (seen.ending, seen.output) == ("impossible", "")
    assert "token" in seen.problem


def test_on_the_controller_it_looks_into_the_workspace(stage: Stage, unknown: Callable[..., Step], look: Ask) -> None:
    (stage.workspace / "made.jar").touch()
    assert look(unknown("ls", step={"runs_on": "controller"})).output == "made.jar\n"


def test_a_step_without_a_probe_says_so(stage: Stage, unknown: Callable[..., Step]) -> None:
    with pytest.raises(EngineError, match=r"no probe|살펴보기"):
        looking.ask(unknown(""), stage.world.requester, Actor(stage.world.requester))


def test_one_look_at_a_time_and_a_pause_between(stage: Stage, unknown: Callable[..., Step]) -> None:
    user = stage.world.requester
    step = unknown("true")
    first = looking.ask(step, user, Actor(user))
    with pytest.raises(Conflict):
        looking.ask(step, user, Actor(user))
    looking.carry_out(first.pk)
    with pytest.raises(Conflict):
        looking.ask(step, user, Actor(user))
    assert step.looks.count() == 1


def test_a_known_outcome_is_not_looked_at(stage: Stage, unknown: Callable[..., Step]) -> None:
    step = unknown("true")
    user = stage.world.requester
    from releases.engine import decide

    decide.resolve(step, Actor(user), "worked", "saw it")
    with pytest.raises(Conflict):
        looking.ask(step, user, Actor(user))


def test_it_runs_once_however_often_it_is_delivered(stage: Stage, unknown: Callable[..., Step], look: Ask) -> None:
    seen = look(unknown('echo x >> "$HOME/ran"; wc -l < "$HOME/ran"'))
    for _again in range(3):
        looking.carry_out(seen.pk)
    assert (stage.home / "ran").read_text() == "x\n"


def test_a_worker_that_stops_leaves_it_to_another(
    stage: Stage, unknown: Callable[..., Step], look: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = unknown('echo x >> "$HOME/ran"; sleep 2; echo done')
    monkeypatch.setattr(handover, "wanted", lambda: (stage.home / "ran").exists())
    left = look(step)
    assert (left.began_at, left.ended_at) == (None, None)
    monkeypatch.undo()
    looking.carry_out(left.pk)
    left.refresh_from_db()
    assert (left.ending, left.output) == ("exited", "done\n")
    assert (stage.home / "ran").read_text() == "x\n"


def test_a_dead_workers_look_is_taken_up_and_an_untaken_one_sent_again(
    stage: Stage, unknown: Callable[..., Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(looking.wake, "send", lambda task, number: sent.append(number))
    user = stage.world.requester
    asked = looking.ask(unknown("echo here"), user, Actor(user))
    rows = Look.objects.filter(pk=asked.pk)
    looking.send_again()
    assert sent == []  # its own message is on the way
    rows.update(asked_at=clock.now() - timedelta(seconds=6))
    looking.send_again()
    assert sent == [asked.pk]
    rows.update(began_at=clock.now())
    looking.send_again()
    looking.carry_out(asked.pk)
    assert sent == [asked.pk] and rows.get().ended_at is None  # somebody is at it
    rows.update(began_at=clock.now() - looking.ABANDONED - timedelta(seconds=1))
    looking.send_again()
    assert sent == [asked.pk] * 2
    looking.carry_out(asked.pk)
    assert rows.get().output == "here\n"


def test_a_look_that_nobody_could_make_ends(stage: Stage, unknown: Callable[..., Step]) -> None:
    user = stage.world.requester
    asked = looking.ask(unknown("true"), user, Actor(user))
    Look.objects.filter(pk=asked.pk).update(asked_at=clock.now() - looking.GIVEN_UP - timedelta(seconds=1))
    looking.send_again()
    asked.refresh_from_db()
    assert (asked.ending, bool(asked.problem)) == ("impossible", True)


@pytest.mark.parametrize("change", ["UPDATE releases_look SET output = 'other'", "DELETE FROM releases_look"])
def test_what_was_seen_stays_as_it_was(unknown: Callable[..., Step], look: Ask, change: str) -> None:
    look(unknown("true"))
    with pytest.raises(Exception, match="pgtrigger"), connection.cursor() as cursor:
        cursor.execute(change)
