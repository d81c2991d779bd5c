"""Checks of Cloud Wiki's own records, each shown red and green."""

from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from releases import audit
from releases.audit import THE_SYSTEM
from releases.engine import anchoring, clock, consent
from releases.models import (
    AuditHead,
    Backup,
    Deployment,
    Environment,
    EnvironmentLock,
    GpuAccount,
    GpuEndpoint,
    GpuSettings,
    Host,
    Membership,
    Probe,
    ProbeResult,
    Service,
    User,
    Variable,
)
from releases.risks import anchors
from releases.risks.stored_secrets import INSISTED, mark
from tests.engine.risks.looks import look, seen, targets, told
from tests.factories import SIMPLE_RUNBOOK, World, make_user, make_world


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def change(world: World, **fields: Any) -> None:
    Environment.objects.filter(pk=world.environment.pk).update(**fields)


def database(world: World) -> None:
    Service.objects.create(project=world.project, key="db", name="Database", kind="database")


def test_one_machine_is_a_risk_and_two_are_not(world: World) -> None:
    assert seen("single_host", world.project) == "risk"
    second = Host.objects.create(
        environment=world.environment, name="prod-2", role="web", address="127.0.0.1", user="deploy"
    )
    assert seen("single_host", world.project) == "risk"  # another name of the same machine
    Host.objects.filter(pk=second.pk).update(address="192.0.2.2")
    assert seen("single_host", world.project) == "ok"
    Host.objects.all().delete()
    assert seen("single_host", world.project) == "not_known"


def test_a_database_beside_the_app(world: World) -> None:
    assert targets("local_database", world.project) == []
    database(world)
    assert seen("local_database", world.project) == "risk"
    row = Variable.objects.create(environment=world.environment, name="db_host", type="host", value="localhost")
    assert seen("local_database", world.project) == "risk"
    Variable.objects.filter(pk=row.pk).update(value="db.internal")
    assert seen("local_database", world.project) == "ok"
    Variable.objects.all().delete()
    Host.objects.create(environment=world.environment, name="db-1", role="db", address="192.0.2.3", user="deploy")
    assert seen("local_database", world.project) == "ok"


def test_downtime_marks_are_a_warning(world: World) -> None:
    assert seen("downtime", world.project) == "warning"
    world.save_runbook(SIMPLE_RUNBOOK.replace("    opens_downtime: true\n    closes_downtime: true\n", ""))
    assert seen("downtime", world.project) == "ok"
    change(world, runbook=None)
    assert seen("downtime", world.project) == "not_known"


def test_a_runbook_that_only_its_author_knows(world: World) -> None:
    version = world.runbook.versions.get()
    assert seen("unreviewed_runbook", world.project) == "risk"
    deployment = world.draft()
    consent.approve(deployment, world.approver, audit.Actor(world.approver), deployment.plan.digest)
    assert version.created_by is None
    found = look("unreviewed_runbook", world.project)
    assert found.seen == "ok" and "이서연" in told(found)
    world.save_runbook(SIMPLE_RUNBOOK.replace("echo one", "echo other"))
    assert seen("unreviewed_runbook", world.project) == "risk"


def test_steps_by_hand_and_without_a_check(world: World) -> None:
    assert seen("manual_steps", world.project) == "ok"
    assert seen("blind_steps", world.project) == "warning"
    with_checks = SIMPLE_RUNBOOK.replace("    estimate: 60\n", "    estimate: 60\n    check: 'true'\n")
    world.save_runbook(with_checks)
    assert seen("blind_steps", world.project) == "ok"
    by_hand = SIMPLE_RUNBOOK.replace(
        '    action: shell\n    runs_on: app\n    estimate: 60\n    parameters: {command: "echo one"}\n',
        "    action: manual\n    estimate: 60\n    parameters: {instructions: {ko: 한다}}\n",
    )
    world.save_runbook(by_hand)
    assert seen("manual_steps", world.project) == "warning"


def test_estimates_that_are_far_off(world: World) -> None:
    assert seen("estimate_drift", world.project) == "not_known"
    now = clock.now()
    for n in range(3):
        deployment = world.draft()
        Deployment.objects.filter(pk=deployment.pk).update(status="succeeded", started_at=now, finished_at=now)
        for step in deployment.steps.all():
            took = timedelta(seconds=61 + n)
            type(step).objects.filter(pk=step.pk).update(status="succeeded", started_at=now, finished_at=now + took)
    assert seen("estimate_drift", world.project) == "ok"
    step_rows = Deployment.objects.last().steps.model.objects.filter(key="one")  # type: ignore[union-attr]
    step_rows.update(finished_at=now + timedelta(seconds=200))
    found = look("estimate_drift", world.project)
    assert found.seen == "warning" and "60 s → 200 s" in told(found)


def test_automatic_rollback(world: World) -> None:
    assert seen("automatic_rollback", world.project) == "risk"
    change(world, rollback_runbook=world.runbook)
    assert seen("automatic_rollback", world.project) == "warning"
    change(world, automatic_rollback="ask")
    assert seen("automatic_rollback", world.project) == "ok"


def test_services_that_nobody_watches_and_slow_ones(world: World) -> None:
    assert seen("unwatched_services", world.project) == "warning"
    service = world.project.services.get()
    probe = Probe.objects.create(environment=world.environment, service=service, url="http://192.0.2.1/health")
    assert seen("unwatched_services", world.project) == "ok"
    assert seen("slow_answers", world.project) == "not_known"
    kind, service.kind = service.kind, "database"
    service.save()
    assert seen("unwatched_services", world.project) == "not_known"  # there is nothing to watch
    service.kind = kind
    service.save()
    now = clock.now()
    for count, milliseconds, state in (
        (19, 80, "not_known"),
        (100, 80, "ok"),
        (106, 1200, "warning"),
        (112, 7000, "risk"),
    ):
        for minutes in range(ProbeResult.objects.count(), count):
            at = now - timedelta(minutes=minutes)
            ProbeResult.objects.create(probe=probe, at=at, ok=True, milliseconds=milliseconds)
        assert seen("slow_answers", world.project) == state, count
    ProbeResult.objects.filter(milliseconds__gt=1000).update(ok=False, detail="timeout:2")
    assert seen("slow_answers", world.project) == "risk"
    ProbeResult.objects.update(at=now - timedelta(days=2))
    assert seen("slow_answers", world.project) == "not_known"


def backup(world: World, **fields: Any) -> Backup:
    values: dict[str, Any] = {
        "kind": "database",
        "name": "shop",
        "series": "shop",
        "location": "/b/1",
        "size": 1,
        "seconds": 1,
    }
    created = fields.pop("created_at", clock.now())
    row = Backup.objects.create(
        environment=world.environment,
        host=world.host,
        sha256="0" * 64,
        **values | {"location": f"/b/{created}"} | fields,
    )
    Backup.objects.filter(pk=row.pk).update(created_at=created)
    return row


def test_backups_age_schedule_proof_and_copy(world: World) -> None:
    database(world)
    now, project = clock.now(), world.project
    three = ("backup_age", "backup_proof", "backup_copy")
    assert seen("backup_schedule", project) == "risk"
    change(world, backup_at=time(3))
    assert seen("backup_schedule", project) == "ok"
    change(world, backup_problem="no runbook")
    assert seen("backup_schedule", project) == "risk"
    assert [seen(kind, project) for kind in three] == [
        "risk",
        "risk",
        "not_known",
    ]
    row = backup(world, created_at=now - timedelta(days=8))
    assert [seen(kind, project) for kind in three] == ["risk", "risk", "risk"]
    Backup.objects.filter(pk=row.pk).update(created_at=now - timedelta(days=2), proved_at=now - timedelta(days=10))
    assert [seen(kind, project) for kind in ("backup_age", "backup_proof")] == ["warning", "warning"]
    Backup.objects.filter(pk=row.pk).update(created_at=now, proved_at=now, copy_location="b/1.age")
    assert [seen(kind, project) for kind in three] == ["ok", "ok", "ok"]
    backup(world, refuted_at=now)
    assert [seen(kind, project) for kind in ("backup_proof", "backup_copy")] == ["risk", "risk"]


def test_what_cards_may_cost(world: World) -> None:
    assert targets("gpu_budgets", world.project) == []
    account = GpuAccount.objects.create(project=world.project, name="cards")
    rules = GpuSettings.objects.create(environment=world.environment, account=account)
    assert seen("gpu_budgets", world.project) == "risk"
    assert seen("gpu_worst_case", world.project) == "ok"  # there is none
    GpuSettings.objects.filter(pk=rules.pk).update(budget_month=300)
    assert seen("gpu_budgets", world.project) == "warning"
    GpuSettings.objects.filter(pk=rules.pk).update(budget_day=20, budget_deployment=5)
    assert seen("gpu_budgets", world.project) == "ok"
    row = GpuEndpoint.objects.create(
        environment=world.environment, account=account, name="qwen", ref="x1", max_workers=2
    )
    assert seen("gpu_worst_case", world.project) == "not_known"
    GpuEndpoint.objects.filter(pk=row.pk).update(price=Decimal("0.69"))
    found = look("gpu_worst_case", world.project)
    assert found.seen == "risk" and "1007.40" in told(found)
    GpuEndpoint.objects.filter(pk=row.pk).update(max_workers=0)
    assert seen("gpu_worst_case", world.project) == "ok"


def test_the_chain_and_its_anchors(world: World, data_dir: Path, settings: LazySettings) -> None:
    settings.STORAGES = settings.STORAGES | {
        "backups": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": data_dir / "backups"},
        }
    }
    assert seen("audit_chain", world.project) == "not_known"
    assert seen("audit_anchor", world.project) == "risk"
    audit.record(THE_SYSTEM, "host.create", world.host)
    now = clock.now()
    anchoring.keep_up(now)
    anchoring.keep_up(now)  # not twice within six hours
    assert len(anchors.kept()) == 1
    assert seen("audit_chain", world.project) == "ok"
    assert seen("audit_anchor", world.project) == "warning"  # beside the database
    audit.record(THE_SYSTEM, "host.change", world.host)
    with connection.cursor() as cursor:  # the owner of the database rebuilds the chain
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("UPDATE releases_auditevent SET action = 'host.pin', hash = md5(hash) WHERE sequence = 1")
        cursor.execute("SET session_replication_role = DEFAULT")
    assert seen("audit_anchor", world.project) == "risk"
    anchoring.keep_up(now + timedelta(hours=7))
    found = look("audit_chain", world.project)
    assert found.seen == "risk", told(found)
    assert len(anchors.kept()) == 1  # of a broken chain none is kept
    assert AuditHead.objects.get().sequence == 2


def test_people(world: World) -> None:
    project = world.project
    assert seen("second_approver", project) == "warning"
    third = make_user("third")
    Membership.objects.create(project=project, user=third, can_operate=True)
    assert seen("second_approver", project) == "ok"
    User.objects.filter(pk=world.approver.pk).update(is_active=False)
    assert seen("second_approver", project) == "risk"
    assert seen("superusers", project) == "ok"
    for n in range(3):
        make_user(f"root-{n}", is_superuser=True)
    assert seen("superusers", project) == "warning"
    assert seen("stale_accounts", project) == "ok"
    long_ago = clock.now() - timedelta(days=91)
    User.objects.filter(pk=third.pk).update(last_login=long_ago)
    found = look("stale_accounts", project)
    assert found.seen == "warning" and "third" in told(found)
    User.objects.filter(username="root-0").update(last_login=None, date_joined=long_ago)
    assert seen("stale_accounts", project) == "risk"


def test_secrets_in_texts(world: World) -> None:
    assert seen("stored_secrets", world.project) == "ok"
    lock = EnvironmentLock.objects.create(
        environment=world.environment, holder=world.requester, reason="PGPASSWORD=hunter2 psql", expires_at=clock.now()
    )
    found = look("stored_secrets", world.project)
    assert found.seen == "risk" and "hunter2" not in told(found)
    audit.record(THE_SYSTEM, INSISTED, world.environment, kinds=[], marks=[mark("hunter2")])
    assert seen("stored_secrets", world.project) == "ok"
    lock.delete()
    Variable.objects.create(environment=world.environment, name="db_password", value="hunter2hunter2")
    assert seen("stored_secrets", world.project) == "risk"
