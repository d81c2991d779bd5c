"""What the tests of emergency rollbacks do again and again."""

from datetime import timedelta
from typing import Any

from releases import lifecycle
from releases.audit import Actor
from releases.engine import clock, driver, recovering, recovery
from releases.models import (
    Deployment,
    Probe,
    ProbeResult,
    Recovery,
    Service,
)
from tests.engine.team import Team

DEAF = {"urls": ["http://127.0.0.1:1/health"], "from": "host", "status": 200, "attempts": 1}
OLD = ("old\n", "old\n")
NEW = ("new\n", "new\n")
SQL = "ALTER TABLE meal ADD tag text; UPDATE meal SET name = 'new';"


def ask(team: Team, deployment: Deployment, reason: str = "orders are lost") -> Recovery:
    user = team.world.requester
    return recovery.ask(deployment, user, Actor(user), reason)


def worked_off(found: Recovery) -> Recovery:
    """As workers do it: told again and again, until it has ended."""
    for _turn in range(10):
        recovering.carry_out(found.pk)
        found = Recovery.objects.select_related("deployment", "rollback").get(pk=found.pk)
        if found.ended_at is not None:
            break
        for one in filter(None, (found.deployment, found.rollback)):
            if one.status in {lifecycle.RUNNING, lifecycle.CANCELLING}:
                driver.drive(one.pk)
    return found


def the_one() -> Recovery:
    return Recovery.objects.get()


def answers(team: Team, *ok: bool, ago: float = 0) -> Probe:
    """A health check of the environment, and how it was answered since; the newest last."""
    service = Service.objects.filter(project=team.world.project).first()
    assert service is not None
    probe, _made = Probe.objects.get_or_create(
        environment=team.environment, service=service, defaults={"url": "http://127.0.0.1:1/"}
    )
    for place, answer in enumerate(ok):
        at = clock.now() + timedelta(seconds=place - ago)
        ProbeResult.objects.create(probe=probe, at=at, ok=answer, milliseconds=1)
    return probe


def change(deployment: Deployment, **fields: Any) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(**fields)
