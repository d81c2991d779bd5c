"""Staging beside production on the one demo host: deployed and rolled back, while production notices nothing."""

import json
import uuid
from pathlib import Path
from urllib.request import urlopen

from django.core.management import call_command

from demo.machine import Machine, Site
from releases import enrolment, lifecycle
from releases.audit import Actor
from releases.demo import database
from releases.engine import consent, driver, prepare, proving, roll_back, start
from releases.models import Backup, Deployment, Environment, Probe, Release, User
from releases.runbooks import loader
from releases.way_back import WayBack
from tests.engine.demo.conftest import committed, flushable, load, running_host
from tests.engine.demo.test_host import needs_sshd

__all__ = ["committed", "flushable"]

MIGRATION = "ALTER TABLE meals ADD tag text; UPDATE meals SET votes = 0;"


def minjun() -> User:
    return User.objects.get(username="minjun")


def versions(site: Site, machine: Machine) -> list[str]:
    """What its services say that they are."""
    said = []
    for port in site.services.values():
        with urlopen(f"http://{machine.address}:{port}/health", timeout=5) as answer:
            said.append(json.load(answer)["version"])
    return said


def held(key: str, machine: Machine) -> dict[str, object]:
    """Everything of an environment on the host: files, database, and which processes its services are."""
    site = machine.sites[key]
    files = [path for path in site.app.rglob("*") if path.is_file() and not {"backup", "logs"} & set(path.parts)]
    with database.connect(database.ensure()[key]) as session:
        rows = session.execute("SELECT to_jsonb(meals) FROM meals ORDER BY id").fetchall()
    return {
        "files": {str(path.relative_to(site.app)): path.read_bytes() for path in sorted(files)},
        "rows": rows,
        "processes": [(site.folder / "run" / f"{name}.pid").read_text() for name in site.services],
    }


def run(deployment: Deployment) -> str:
    """Prove every box, start it and drive it to its end, as its people would."""
    user = minjun()
    for host in deployment.environment.hosts.all():
        assert enrolment.check(host, Actor(user)).ok
    for item in deployment.checklist.all():
        proving.prove_item(item.pk, user.pk, "")
    digest = deployment.plan.digest
    if deployment.environment.approvals_required:
        approver = User.objects.get(username="seoyeon")
        consent.approve(deployment, approver, Actor(approver), digest)
    start.start(deployment, user, Actor(user), digest)
    driver.drive(deployment.pk)
    deployment.refresh_from_db()
    return deployment.status


def deploy(key: str, version: str = "v1.1.0") -> Deployment:
    release, environment = Release.objects.get(version=version), Environment.objects.get(key=key)
    made, _new = prepare.prepare(release, environment, minjun(), Actor(minjun()), uuid.uuid4().hex)
    assert run(made) == lifecycle.SUCCEEDED, explained(made)
    return made


def explained(deployment: Deployment) -> list[tuple[str, str, str]]:
    return [(step.key, step.status, step.reason) for step in deployment.steps.all()]


@needs_sshd
def test_it_is_deployed_and_rolled_back_and_production_notices_nothing(committed: None, data_dir: Path) -> None:
    load(data_dir)
    Release.objects.filter(version="v1.1.0").update(
        schema_changed=True, migration_name="V2__tag.sql", migration_sql=MIGRATION
    )
    with running_host(data_dir) as (machine, _said):
        staging, production = machine.sites["staging"], machine.sites["production"]
        before, there = held("staging", machine), held("production", machine)
        assert versions(staging, machine) == versions(production, machine) == ["v1.0.0", "v1.0.0"]
        deployed = deploy("staging")
        assert versions(staging, machine) == ["v1.1.0", "v1.1.0"]
        changed = held("staging", machine)
        assert all(changed[part] != before[part] for part in before)
        assert held("production", machine) == there
        back, _new = roll_back.draft(WayBack(deployed), minjun(), Actor(minjun()), uuid.uuid4().hex)
        assert run(back) == lifecycle.SUCCEEDED, explained(back)
        assert versions(staging, machine) == ["v1.0.0", "v1.0.0"]
        after = held("staging", machine)
        assert (after["files"], after["rows"]) == (before["files"], before["rows"])
        assert held("production", machine) == there
    assert all(step.status in lifecycle.STEP_PASSED for step in back.steps.all())
    assert not Backup.objects.filter(environment__key="production").exists()


@needs_sshd
def test_production_is_deployed_and_staging_notices_nothing(committed: None, data_dir: Path) -> None:
    load(data_dir)
    with running_host(data_dir) as (machine, _said):
        there = held("staging", machine)
        deploy("production")
        assert versions(machine.sites["production"], machine) == ["v1.1.0", "v1.1.0"]
        assert held("staging", machine) == there


def test_each_environment_has_every_value_it_needs_and_shares_none_that_matters(demo_data: Path) -> None:
    values: dict[str, dict[str, str]] = {}
    for environment in Environment.objects.all():
        values[environment.key] = dict(environment.variables.values_list("name", "value"))
        assert environment.runbook is not None and environment.rollback_runbook is not None
        for runbook in (environment.runbook, environment.rollback_runbook):
            wanted = loader.load(runbook.latest().text).variables
            needed = {spec.name for spec in wanted if spec.required and spec.default is None}
            assert needed <= set(values[environment.key])
    for name in ("db_name", "demo_bin", "app_folder", "backend_url", "frontend_url"):
        assert values["staging"][name] != values["production"][name], name
    assert Probe.objects.values("url").distinct().count() == 4


def test_a_host_from_before_staging_keeps_its_ports(demo_data: Path) -> None:
    description = demo_data / "demo-host.json"
    old = json.loads(description.read_text())
    description.write_text(json.dumps({name: value for name, value in old.items() if name != "staging"}))
    call_command("load_demo", verbosity=0)
    now = json.loads(description.read_text())
    assert (now["port"], now["services"]) == (old["port"], old["services"])
    assert set(now["staging"]) == {"backend", "frontend"}
