"""Deployments brought into every state by the engine's own verbs, without a worker."""

from typing import Any

from releases import lifecycle
from releases.audit import Actor
from releases.engine import attempts, conclude, consent, start
from releases.engine.attempts import Outcome, Retries
from releases.models import Attempt, Deployment, Step, lease
from tests.factories import World


def ready(world: World) -> Deployment:
    """A draft that the gate lets through."""
    deployment = world.draft()
    for item in deployment.checklist.all():
        consent.tick(item, world.requester, Actor(world.requester), deployment.plan.digest, "looked")
    consent.approve(deployment, world.approver, Actor(world.approver), deployment.plan.digest)
    return deployment


def running(world: World) -> "Driven":
    """A started deployment with a driver's lease."""
    deployment = ready(world)
    start.start(deployment, world.requester, Actor(world.requester), deployment.plan.digest)
    token = lease.take(deployment.pk, "test")
    assert token is not None
    return Driven(deployment, token)


class Driven:
    """A started deployment, and the driver's hand on it."""

    def __init__(self, deployment: Deployment, token: int) -> None:
        self.deployment, self.token = deployment, token

    def step(self, key: str) -> Step:
        return self.deployment.steps.select_related("deployment").get(key=key)

    def begin(self, key: str, status: str = lifecycle.DISPATCHING) -> Attempt:
        attempt = attempts.begin(self.step(key), self.token, None, status)
        if status == lifecycle.DISPATCHING:
            attempts.show_running(attempt, self.token)
        return attempt

    def end(self, attempt: Attempt, status: str, reason: str = "", **more: Any) -> None:
        attempts.finish(attempt, self.token, Outcome(status, reason, **more), Retries())

    def do(self, key: str, status: str = lifecycle.SUCCEEDED, reason: str = "", **more: Any) -> Attempt:
        attempt = self.begin(key)
        self.end(attempt, status, reason, **more)
        return attempt

    def conclude(self) -> Deployment:
        self.deployment.refresh_from_db()
        conclude.conclude(self.deployment, self.token)
        self.deployment.refresh_from_db()
        return self.deployment
