"""The demo's costs and plan: the seed's figures, and its own hosts opted in to be read.

They are the simulated machine beside this server, so their processes are all of this machine.
"""

from typing import Final

from demo.machine import Machine
from releases.engine import cost_seed
from releases.insights.costs_seed import INSTANCE
from releases.models import Component, Host, HostWatch, Project

# How the demo host's services are told from everything else that runs on this machine.
MARKS: Final = {"Next.js": "frontend", "Spring Boot": "backend"}


def load(project: Project, machine: Machine) -> None:
    """Make what is missing; what people changed is left as it is."""
    if not project.prices.exists() and not project.cost_items.exists():
        cost_seed.make_costs(project)
    for environment in project.environments.all():
        folder = machine.sites[environment.key].folder
        for host in environment.hosts.filter(address=machine.address):
            _watch(host, str(folder))


def _watch(host: Host, folder: str) -> None:
    values = {"is_on": True, "instance": INSTANCE, "database": HostWatch.Database.PSQL, "paths": "/"}
    HostWatch.objects.get_or_create(host=host, defaults=values)
    if host.components.exists():
        return
    cost_seed.make_plan(host)
    for name, service in MARKS.items():
        _mark(host, name, f"{folder} run {service}"[-200:])
    _mark(host, "PostgreSQL", "postgres: ")


def _mark(host: Host, name: str, words: str) -> None:
    host.components.filter(name=name).update(match=Component.Match.COMMAND, value=words)
