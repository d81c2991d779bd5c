"""What checks look at: hosts, environments, the project itself."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Final

from releases.models import Environment, Host, Project
from releases.risks.finding import Target

LONGEST: Final = 200  # characters of a key, as in Risk.target
PARTS: Final = ("runbook", "rollback_runbook", "project")


def hosts(project: Project) -> list[Target]:
    """Each host of the project."""
    rows = Host.objects.filter(environment__project=project).select_related("environment__project", "looks")
    return [of_host(host) for host in rows.order_by("environment__position", "name")]


def of_host(host: Host) -> Target:
    """One host."""
    where = host.environment
    return Target(f"host {host.pk}", f"{where.name} · {host.name}", where.project, where, host)


def environments(project: Project) -> list[Target]:
    """Each environment of the project."""
    return [of_environment(row) for row in project.environments.select_related(*PARTS)]


def production(project: Project) -> list[Target]:
    """Each production environment."""
    return [of_environment(row) for row in project.environments.filter(is_production=True).select_related(*PARTS)]


def of_environment(environment: Environment, subject: Any = None, key: str = "", name: str = "") -> Target:
    """One environment, or one thing in it."""
    shown = f"{environment.name} · {name}" if name else environment.name
    more = f" {key}" if key else ""
    return Target(_short(f"environment {environment.pk}{more}"), shown, environment.project, environment, None, subject)


def _short(key: str) -> str:
    """As a row can keep it; a long one ends in what tells it from others."""
    return key if len(key) <= LONGEST else f"{key[: LONGEST - 17]} {sha256(key.encode()).hexdigest()[:16]}"


def whole(project: Project) -> list[Target]:
    """The project as a whole."""
    return [Target("project", project.name, project)]


def where(wanted: Callable[[Environment], bool]) -> Callable[[Project], Iterable[Target]]:
    """The production environments of which something is true."""
    return lambda project: [one for one in production(project) if one.environment and wanted(one.environment)]
