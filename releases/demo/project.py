"""The demo project's rows: services, environments, host, variables, probes, runbooks."""

import hashlib
import secrets as random
from collections.abc import Mapping
from datetime import time
from pathlib import Path

from django.utils import timezone

from demo.machine import Database, Machine, Site
from releases import secrets
from releases.models import (
    DeployWindow,
    Environment,
    Host,
    Probe,
    Project,
    Runbook,
    RunbookVersion,
    Service,
    Variable,
)
from releases.runbooks import loader

SLUG = "demo"
SEED = Path(loader.__file__).parent / "seed"
SERVICES = (
    ("backend", "Backend", Service.Kind.BACKEND),
    ("frontend", "Frontend", Service.Kind.FRONTEND),
    ("database", "Database", Service.Kind.DATABASE),
    ("nginx", "Nginx", Service.Kind.PROXY),
)
HEALTH_PATH = {"backend": "/health", "frontend": "/health"}
# Two rows for one machine: each environment has its own folder, services and database there.
HOSTS = {"production": "demo-simulated", "staging": "demo-staging-simulated"}


def load(machine: Machine, databases: Mapping[str, Database], workspace: Path) -> Project:
    """Make the project where it is missing; what describes the demo host is brought up to date.

    `databases` and the machine's sites are told apart by the environment's key.
    """
    project, _made = Project.objects.get_or_create(
        slug=SLUG, defaults={"name": "모여밥 데모", "repository": str(workspace), "workspace_folder": str(workspace)}
    )
    for position, (key, name, kind) in enumerate(SERVICES):
        Service.objects.get_or_create(
            project=project, key=key, defaults={"name": name, "kind": kind, "position": position}
        )
    _runbook(project, "deploy", "상세 배포 절차")
    runbook = _runbook(project, "demo", "상세 배포 절차 (데모)")
    _runbook(project, "rollback", "롤백 절차")
    back = _runbook(project, "demo_rollback", "롤백 절차 (데모)")
    staging = _environment(project, "staging", "스테이징", runbook, back, position=1)
    production = _environment(project, "production", "운영", runbook, back, position=0)
    DeployWindow.objects.get_or_create(
        environment=production,
        weekday=DeployWindow.Weekday.WEDNESDAY,
        defaults={"opens": time(2, 0), "closes": time(3, 0)},
    )
    Variable.objects.get_or_create(
        environment=production,
        name="session_key",
        defaults={"is_secret": True, "ciphertext": secrets.seal(random.token_urlsafe(24))},
    )
    for environment in (production, staging):
        _host(environment, machine)
        _values(environment, machine, databases[environment.key])
    return project


def gpu_runbooks(project: Project) -> dict[str, Runbook]:
    """The shipped runbooks about GPU endpoints, by their short names."""
    names = {
        "gpu_deploy": "GPU 서버 배포 (vLLM Worker)",
        "gpu_handler": "GPU 서버 배포 (커스텀 Handler)",
        "gpu_rollback": "GPU 서버 롤백",
        "gpu_demo": "GPU 서버 배포 (데모)",
        "gpu_demo_rollback": "GPU 서버 롤백 (데모)",
    }
    return {key: _runbook(project, key, name) for key, name in names.items()}


def _environment(project: Project, key: str, name: str, runbook: Runbook, back: Runbook, position: int) -> Environment:
    environment, _made = Environment.objects.get_or_create(
        project=project,
        key=key,
        defaults={
            "name": name,
            "is_production": key == "production",
            "zone": "Asia/Seoul",
            "runbook": runbook,
            "rollback_runbook": back,
            "approvals_required": 1 if key == "production" else 0,
            "downtime_budget": 600,
            "requests_per_minute": 10,
            "position": position,
        },
    )
    return environment


def _host(environment: Environment, machine: Machine) -> None:
    """The demo's host is pinned at once: its key was made here and never travelled."""
    host, _made = Host.objects.get_or_create(
        environment=environment, role="app", defaults={"name": HOSTS[environment.key], "address": machine.address}
    )
    host.address, host.port, host.user = machine.address, machine.port, machine.user
    if host.host_key != machine.host_key:
        host.host_key, host.fingerprint, host.pinned_at = machine.host_key, machine.fingerprint, timezone.now()
    host.save()


def _values(environment: Environment, machine: Machine, database: Database) -> None:
    """What the runbooks ask for, and where the services are asked how they are."""
    site = machine.sites[environment.key]
    urls = {name: f"http://{machine.address}:{site.services[name]}{path}" for name, path in HEALTH_PATH.items()}
    _variables(environment, site, database, urls)
    for name, url in urls.items():
        service = environment.project.services.get(key=name)
        Probe.objects.update_or_create(environment=environment, service=service, defaults={"url": url})


def _variables(environment: Environment, site: Site, database: Database, urls: Mapping[str, str]) -> None:
    kinds = Variable.Type
    given = {
        "db_name": (kinds.IDENTIFIER, database.name),
        "db_user": (kinds.IDENTIFIER, database.user),
        "db_host": (kinds.PATH if database.host.startswith("/") else kinds.HOST, database.host),
        "db_port": (kinds.INTEGER, str(database.port)),
        "demo_bin": (kinds.PATH, str(site.bin)),
        "app_folder": (kinds.PATH, str(site.app)),
        "backend_url": (kinds.URL, urls["backend"]),
        "frontend_url": (kinds.URL, urls["frontend"]),
    }
    for name, (kind, value) in given.items():
        Variable.objects.update_or_create(
            environment=environment, name=name, defaults={"type": kind, "value": value, "is_secret": False}
        )


def _runbook(project: Project, key: str, name: str) -> Runbook:
    """The shipped runbook; a newer text becomes a new version unless a person edited it since."""
    text = (SEED / f"{key}.yaml").read_text()
    values = {"name": name, "kind": loader.load(text).kind}
    runbook, _made = Runbook.objects.get_or_create(project=project, key=key, defaults=values)
    digest = hashlib.sha256(text.encode()).hexdigest()
    latest = runbook.latest()
    if latest is None or (latest.created_by is None and latest.sha256 != digest):
        number = latest.number + 1 if latest else 1
        RunbookVersion.objects.create(runbook=runbook, number=number, text=text, sha256=digest)
    return runbook
