"""The rules of deployments (2.1), the checklist (2.2), the next stages (3.3), services and hosts of a project."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db.models import Avg, Count, Exists, ExpressionWrapper, F, FloatField, OuterRef, Q
from django.db.models.functions import Extract
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from releases import lifecycle
from releases.engine import clock
from releases.models import (
    Deployment,
    DeploymentKind,
    Environment,
    Host,
    Membership,
    Outage,
    Probe,
    ProbeResult,
    Project,
    Runbook,
)
from releases.runbooks import plan
from releases.runbooks.model import StepSpec
from releases.templatetags.figures import clock as as_clock
from releases.views.blocks import Block
from releases.views.blocks.procedures import local
from releases.views.blocks.sources import current_version, environment_of, procedure_of

DAYS: Final = 90
BY_HAND: Final = {"manual"}


def deploy_rules(project: Project) -> dict[str, Any]:
    """The overview of deployments: what the rules say, and what the last 90 days were."""
    environment = environment_of(project)
    if environment is None:
        return {"rows": []}
    version = current_version(project, DeploymentKind.DEPLOY)
    found = procedure_of(version) if version else None
    steps = [step for step in found.steps if not step.condition] if found else []
    measured = _measured(environment)
    windows = list(environment.windows.select_related("environment"))
    rows = [
        (_("How"), _way(steps), ""),
        (_("How often"), _rhythm(len(windows)), _a_week(measured["count"])),
        (_("How long on average"), _within(plan.totals(steps).estimate), _average(measured["took"])),
        (_("Expected downtime"), _within(plan.totals(steps).downtime), _average(measured["down"])),
        (_("Who deploys"), *_people(project)),
        (_("When"), ", ".join(map(str, windows)) or _("at any time"), environment.zone),
    ]
    return {"rows": rows, "environment": environment, "days": DAYS, "runbook": version}


def _measured(environment: Environment) -> Mapping[str, Any]:
    took = ExpressionWrapper(Extract(F("finished_at") - F("started_at"), "epoch"), output_field=FloatField())
    succeeded = Q(status=lifecycle.SUCCEEDED)
    rows = Deployment.objects.filter(
        environment=environment,
        kind=DeploymentKind.DEPLOY,
        started_at__gte=clock.now() - timedelta(days=DAYS),
    )
    return rows.aggregate(
        count=Count("pk"), took=Avg(took, filter=succeeded), down=Avg("downtime_measured", filter=succeeded)
    )


def _way(steps: list[StepSpec]) -> str:
    if any(step.opens_downtime for step in steps):
        return _("Big Bang: the whole system is replaced at once")
    return _("without stopping the service")


def _rhythm(windows: int) -> str:
    if not windows:
        return _("no deploy window is set")
    return ngettext("%s window a week", "%s windows a week", windows) % windows


def _a_week(count: int) -> str:
    return _("%s a week") % f"{count * 7 / DAYS:.1f}" if count else _("none yet")


def _within(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return ngettext("within %s minute", "within %s minutes", minutes) % minutes if seconds else _("none")


def _average(seconds: float | None) -> str:
    return as_clock(seconds) if seconds is not None else _("not measured yet")


def _people(project: Project) -> tuple[str, str]:
    rows = Membership.objects.filter(project=project, can_operate=True, user__is_active=True)
    names = [str(row.user) for row in rows.select_related("user").order_by("pk")]
    return ngettext("%s person", "%s people", len(names)) % len(names), ", ".join(names[:6])


def checklist(project: Project) -> dict[str, Any]:
    """The boxes before a deployment, and what ticks each."""
    version = current_version(project, DeploymentKind.DEPLOY)
    found = procedure_of(version) if version else None
    items = [{"title": local(item.title), "proof": item.proof} for item in found.checklist] if found else []
    return {"items": items, "version": version}


def strategy(project: Project) -> dict[str, Any]:
    """The stages that the team wants to reach (3.3), and how far its runbook is on each."""
    version = current_version(project, DeploymentKind.DEPLOY)
    found = procedure_of(version) if version else None
    if version is None or found is None:
        return {"rows": [], "version": version}
    steps = [step for step in found.steps if not step.condition]
    by_itself = sum(step.action not in BY_HAND for step in steps)
    proved = sum(bool(item.proof) for item in found.checklist)
    down = -(-plan.totals(steps).downtime // 60)
    rows = [
        {
            "term": _("Short term"),
            "plan": _("Scripts do the work that repeats"),
            "effect": _("fewer slips of people, shorter deployments"),
            "part": by_itself,
            "whole": len(steps),
            "now": _("%(part)s of %(whole)s steps run by themselves") % {"part": by_itself, "whole": len(steps)},
        },
        {
            "term": _("Middle term"),
            "plan": _("A CI/CD pipeline"),
            "effect": _("tests by themselves, a gate for quality"),
            "part": proved,
            "whole": len(found.checklist),
            "now": _("%(part)s of %(whole)s checks before a start are proved by machine")
            % {"part": proved, "whole": len(found.checklist)},
        },
        {
            "term": _("Long term"),
            "plan": _("Blue-green or rolling deployments"),
            "effect": _("no downtime, a safe way back"),
            "part": int(not down),
            "whole": 1,
            "now": ngettext("%s minute of downtime planned", "%s minutes of downtime planned", down) % down,
        },
    ]
    return {"rows": rows, "version": version}


def services(project: Project) -> dict[str, Any]:
    """The parts of the project and whether they answer now, by environment."""
    environments = list(project.environments.order_by("-is_production", "position", "pk"))
    down = _down(project)
    rows = [
        {
            "service": service,
            "cells": [down.get((service.pk, environment.pk), "pending") for environment in environments],
        }
        for service in project.services.all()
    ]
    return {"rows": rows, "environments": environments}


def _down(project: Project) -> dict[tuple[int, int], str]:
    """By service and environment how its health check stands; without a check there is no entry."""
    rows = Probe.objects.filter(environment__project=project, enabled=True).values_list(
        "service",
        "environment",
        Exists(Outage.objects.filter(probe=OuterRef("pk"), ended_at__isnull=True)),
        Exists(ProbeResult.objects.filter(probe=OuterRef("pk"))),
    )
    return {
        (service, environment): "failed" if down else "succeeded" if measured else "pending"
        for service, environment, down, measured in rows
    }


def hosts(project: Project) -> dict[str, Any]:
    """The machines of the project, and whether they were reached when they were last looked at."""
    rows = Host.objects.filter(environment__project=project).select_related("environment")
    return {"hosts": rows.order_by("environment__position", "name")}


def runbooks(project: Project) -> dict[str, Any]:
    """The written procedures and their newest versions."""
    rows = Runbook.objects.filter(project=project).annotate(newest=Count("versions")).order_by("name")
    return {"runbooks": rows}


BLOCKS: Final[dict[str, Block]] = {
    "deploy_rules": Block(lambda: _("Rules of deployments"), deploy_rules, "blocks/deploy_rules.html"),
    "checklist": Block(lambda: _("Checklist before a deployment"), checklist, "blocks/checklist.html"),
    "strategy": Block(lambda: _("Next stages"), strategy, "blocks/strategy.html"),
    "services": Block(lambda: _("Services"), services, "blocks/services.html"),
    "hosts": Block(lambda: _("Hosts"), hosts, "blocks/hosts.html"),
    "runbooks": Block(lambda: _("Runbooks"), runbooks, "blocks/runbooks.html"),
}
