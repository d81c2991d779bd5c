"""When the service of a run is planned to be away, and which services."""

from datetime import datetime, timedelta

from django.utils import timezone

from releases import lifecycle
from releases.models import Deployment, Service, Step
from releases.runbooks.plan import PlannedStep


def planned_times(deployment: Deployment) -> tuple[datetime, datetime]:
    """When the service is planned to be away: the estimates before and within the downtime, from the start.

    Without a downtime: the whole deployment.
    """
    began = deployment.started_at or timezone.now()
    running = _running(deployment)
    opens = next((index for index, step in enumerate(running) if step.opens_downtime), None)
    if opens is None:
        return began, began + timedelta(seconds=deployment.plan.estimate)
    starts_at = began + timedelta(seconds=sum(step.estimate for step in running[:opens]))
    return starts_at, starts_at + timedelta(seconds=deployment.plan.downtime_estimate)


def expected_times(deployment: Deployment, now: datetime) -> tuple[datetime, datetime] | None:
    """The same as it looks at `now`, by the steps still to do; None for a run that has no downtime before it."""
    ahead = timedelta()
    for step in deployment.steps.all():
        if step.opens_downtime and step.status not in lifecycle.STEP_PASSED:
            starts_at = now + ahead
            return starts_at, starts_at + timedelta(seconds=deployment.plan.downtime_estimate)
        if step.status not in lifecycle.STEP_PASSED:
            ahead += _left(step, now)
    return None


def concerned(deployment: Deployment) -> list[Service]:
    """The services that the plan's steps are about."""
    keys = {step.service for step in _running(deployment) if step.service}
    return list(Service.objects.filter(project=deployment.environment.project_id, key__in=keys))


def announces(deployment: Deployment) -> bool:
    """Whether a step of the plan will announce it."""
    return any(step.action == "announce" for step in _running(deployment))


def _running(deployment: Deployment) -> list[PlannedStep]:
    steps = [PlannedStep.from_json(entry) for entry in deployment.plan.content["steps"]]
    return [step for step in steps if not step.skipped_because]


def _left(step: Step, now: datetime) -> timedelta:
    """Of the estimate, what is still to come."""
    estimate = timedelta(seconds=step.estimate)
    if step.status in lifecycle.STEP_BUSY and step.started_at is not None:
        return max(timedelta(), estimate - (now - step.started_at))
    return estimate
