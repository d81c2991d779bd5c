"""The gate: every reason why a deployment may not start, and that start asks it again."""

from datetime import timedelta

import pytest

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock, consent, decide, locks, prepare, start
from releases.engine.errors import Blocked, Conflict, EngineError, NotAllowed
from releases.models import Artifact, AuditEvent, Deployment, Host, Membership, Release, Variable
from tests.factories import World, make_user


def codes(deployment: Deployment) -> list[str]:
    return [blocker.code for blocker in start.blockers(Deployment.objects.get(pk=deployment.pk))]


def tick_all(world: World, deployment: Deployment) -> None:
    for item in deployment.checklist.all():
        consent.tick(item, world.requester, Actor(world.requester), deployment.plan.digest)


def ready(world: World) -> Deployment:
    """A draft that the gate lets through."""
    deployment = world.draft()
    tick_all(world, deployment)
    consent.approve(deployment, world.approver, Actor(world.approver), deployment.plan.digest)
    return deployment


def go(world: World, deployment: Deployment) -> None:
    start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)


def test_it_starts_when_nothing_blocks(world: World) -> None:
    deployment = ready(world)
    assert codes(deployment) == []
    go(world, deployment)
    assert deployment.status == lifecycle.RUNNING
    event = AuditEvent.objects.filter(deployment=deployment, action="deployment.start").get()
    assert event.actor == world.requester
    assert event.detail["plan"] == deployment.plan.digest


def test_it_names_unticked_boxes_and_missing_approvals(world: World) -> None:
    assert codes(world.draft()) == ["unticked", "approval_missing"]


def test_it_refuses_a_forced_start_with_the_same_reasons(world: World) -> None:
    deployment = world.draft()
    with pytest.raises(Blocked) as caught:
        go(world, deployment)
    assert [blocker.code for blocker in caught.value.blockers] == ["unticked", "approval_missing"]
    deployment.refresh_from_db()
    assert deployment.status == lifecycle.DRAFT
    assert not AuditEvent.objects.filter(deployment=deployment, action="deployment.start").exists()


def test_it_refuses_a_second_start(world: World) -> None:
    deployment = ready(world)
    go(world, deployment)
    with pytest.raises(Blocked) as caught:
        go(world, deployment)
    assert caught.value.blockers[0].code == "not_draft"


def test_it_refuses_while_another_deployment_is_active(world: World) -> None:
    first, second = ready(world), ready(world)
    go(world, first)
    assert codes(second) == ["active"]
    with pytest.raises(Blocked):
        go(world, second)


def test_it_refuses_while_locked_and_says_who_why_since(world: World) -> None:
    deployment = ready(world)
    locks.lock(world.environment, world.approver, Actor(world.approver), "감사 중", timedelta(hours=1))
    found = start.blockers(Deployment.objects.get(pk=deployment.pk))
    assert [blocker.code for blocker in found] == ["locked"]
    assert "이서연" in found[0].detail
    assert "감사 중" in found[0].detail


def test_an_expired_lock_blocks_nobody(world: World) -> None:
    deployment = ready(world)
    lock = locks.lock(world.environment, world.approver, Actor(world.approver), "audit", timedelta(hours=1))
    lock.expires_at = clock.now() - timedelta(seconds=1)
    lock.save()
    assert codes(deployment) == []


def test_it_refuses_over_the_budgets(world: World) -> None:
    world.environment.downtime_budget, world.environment.duration_budget = 30, 60
    world.environment.save()
    deployment = ready(world)
    assert codes(deployment) == ["over_downtime", "over_duration"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"host_key": ""}, "host_unpinned"),
        ({"last_check_ok": False}, "host_unreachable"),
        ({"last_checked_at": None}, "host_unchecked"),
    ],
)
def test_it_refuses_hosts_it_may_not_or_can_not_reach(world: World, change: dict[str, object], code: str) -> None:
    deployment = ready(world)
    Host.objects.filter(pk=world.host.pk).update(**change)
    assert codes(deployment) == [code]


def test_it_refuses_a_schema_change_without_migration(world: World) -> None:
    Release.objects.filter(pk=world.release.pk).update(schema_changed=True)
    world.release.refresh_from_db()
    assert "migration_missing" in codes(ready(world))


def test_a_stale_tick_no_longer_counts(world: World) -> None:
    deployment = ready(world)
    deployment.checklist.update(ticked_at=clock.now() - timedelta(days=2))
    assert codes(deployment) == ["tick_stale"]


def test_a_failed_proof_blocks(world: World) -> None:
    deployment = ready(world)
    item = deployment.checklist.get()
    consent.record_proof(item, Actor(world.requester), deployment.plan.digest, False, [], "not there")
    assert codes(deployment) == ["proof_failed"]


class TestDigest:
    """Ticks and approvals are bound to the plan they were given for."""

    def test_any_change_shuts_the_gate_until_a_new_plan_is_made(self, world: World) -> None:
        deployment = ready(world)
        world.save_runbook(world.runbook.latest().text.replace("echo one", "echo 1"))
        assert codes(deployment) == ["plan_changed"]

    def test_a_new_plan_voids_ticks_and_approvals_and_says_so(self, world: World) -> None:
        deployment = ready(world)
        old = deployment.plan.digest
        world.save_runbook(world.runbook.latest().text.replace("echo one", "echo 1"))
        assert prepare.rebuild(deployment, Actor(world.requester))
        assert codes(deployment) == ["unticked", "approval_missing"]
        assert deployment.checklist.get().voided_digest == old
        assert AuditEvent.objects.filter(deployment=deployment, action="plan.rebuild").exists()

    def test_the_same_rows_give_the_same_plan(self, world: World) -> None:
        deployment = ready(world)
        assert not prepare.rebuild(deployment, Actor(world.requester))
        assert codes(deployment) == []

    @pytest.mark.parametrize("what", ["host", "rule", "commit", "variable", "secret", "pinned key"])
    def test_the_digest_signs_it(self, world: World, what: str) -> None:
        deployment = ready(world)
        if what == "host":
            Host.objects.filter(pk=world.host.pk).update(address="127.0.0.2")
        elif what == "pinned key":
            Host.objects.filter(pk=world.host.pk).update(fingerprint="SHA256:other")
        elif what == "rule":
            type(world.environment).objects.filter(pk=world.environment.pk).update(approvals_required=0)
        elif what == "commit":
            Release.objects.filter(pk=world.release.pk).update(commit="b41f9c2")
        elif what == "variable":
            Variable.objects.create(environment=world.environment, name="db_name", value="other")
        else:
            Variable.objects.create(environment=world.environment, name="token", is_secret=True, ciphertext=b"x")
        assert "plan_changed" in codes(deployment)

    def test_an_approval_of_an_older_page_is_refused(self, world: World) -> None:
        deployment = ready(world)
        old = deployment.plan.digest
        world.save_runbook(world.runbook.latest().text.replace("echo one", "echo 1"))
        prepare.rebuild(deployment, Actor(world.requester))
        with pytest.raises(Conflict):
            consent.approve(deployment, world.approver, Actor(world.approver), old)

    def test_a_start_from_an_older_page_is_refused(self, world: World) -> None:
        deployment = ready(world)
        with pytest.raises(Blocked) as caught:
            start.start(deployment, world.requester, Actor(world.requester), "0" * 64)
        assert caught.value.blockers[0].code == "stale_page"


class TestApproval:
    """Who may consent."""

    def test_the_requester_may_not_approve(self, world: World) -> None:
        deployment = world.draft()
        with pytest.raises(NotAllowed):
            consent.approve(deployment, world.requester, Actor(world.requester), deployment.plan.digest)

    def test_the_requester_may_where_the_environment_allows_it(self, world: World) -> None:
        world.environment.approver_not_requester = False
        world.environment.save()
        deployment = world.draft()
        consent.approve(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
        assert "approval_missing" not in codes(deployment)

    def test_someone_without_the_right_may_not(self, world: World) -> None:
        deployment = world.draft()
        other = make_user("viewer-of-this-test")
        Membership.objects.create(project=world.project, user=other)
        with pytest.raises(NotAllowed):
            consent.approve(deployment, other, Actor(other), deployment.plan.digest)

    def test_an_approval_ends_with_the_right_to_approve(self, world: World) -> None:
        deployment = ready(world)
        Membership.objects.filter(user=world.approver).update(can_approve=False)
        assert codes(deployment) == ["approval_missing"]

    def test_a_withdrawn_approval_no_longer_counts(self, world: World) -> None:
        deployment = ready(world)
        consent.withdraw(deployment.approvals.get(), Actor(world.approver))
        assert codes(deployment) == ["approval_missing"]
        consent.approve(deployment, world.approver, Actor(world.approver), deployment.plan.digest)
        assert codes(deployment) == []

    def test_one_person_counts_once(self, world: World) -> None:
        world.environment.approvals_required = 2
        world.environment.save()
        deployment = ready(world)
        with pytest.raises(Conflict):
            consent.approve(deployment, world.approver, Actor(world.approver), deployment.plan.digest)
        assert codes(deployment) == ["approval_missing"]


class TestPrepare:
    """Making the draft."""

    def test_a_double_click_makes_one_deployment(self, world: World) -> None:
        assert world.draft(key="pressed-once").pk == world.draft(key="pressed-once").pk
        assert Deployment.objects.filter(environment=world.environment).count() == 1

    def test_a_missing_value_is_named(self, world: World) -> None:
        world.save_runbook(world.runbook.latest().text.replace("steps:", "variables:\n  - {name: db_name}\nsteps:", 1))
        with pytest.raises(EngineError, match="db_name"):
            world.draft()

    def test_a_draft_can_be_put_away(self, world: World) -> None:
        deployment = world.draft()
        decide.cancel(deployment, Actor(world.requester))
        assert deployment.status == lifecycle.CANCELLED


UPLOADING = """
kind: deploy
title: {ko: 전송, en: Send}
steps:
  - {key: send, title: {ko: 전송, en: Send}, role: DevOps, phase: replace, action: upload, runs_on: app,
     estimate: 10, parameters: {artifact: backend, destination: /app/}}
"""


class TestArtifacts:
    """What is sent is signed."""

    def test_an_artifact_without_digest_blocks(self, world: World) -> None:
        world.save_runbook(UPLOADING)
        Artifact.objects.create(release=world.release, name="backend", path="app.jar")
        assert "artifact_unrecorded" in codes(world.draft())

    def test_a_recorded_one_does_not(self, world: World) -> None:
        world.save_runbook(UPLOADING)
        Artifact.objects.create(release=world.release, name="backend", path="app.jar", sha256="a" * 64)
        assert "artifact_unrecorded" not in codes(world.draft())

    def test_one_that_a_step_builds_does_not(self, world: World) -> None:
        build = (
            "  - {key: build, title: {ko: 빌드, en: Build}, role: DevOps, phase: prepare, action: shell,"
            " runs_on: controller, estimate: 10, parameters: {command: make, produces: [backend]}}\n"
        )
        world.save_runbook(UPLOADING.replace("steps:\n", f"steps:\n{build}"))
        assert "artifact_unrecorded" not in codes(world.draft())
