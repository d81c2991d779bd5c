"""Looking at a step of unknown outcome: its probe command, run by a worker for a person. Changes no status.

A look is safe to be delivered any number of times: one worker at a time takes it up, and its name on the machine stays
the same, so that a worker that comes after a dead one finds what that began.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases import audit, lifecycle
from releases.actions import brief
from releases.actions.base import NotApproved
from releases.actions.remote_words import told
from releases.actions.shell import in_place
from releases.audit import Actor
from releases.database import AWAY
from releases.engine import clock, handover, plan_secrets, touch, wake
from releases.engine.errors import Conflict, EngineError
from releases.engine.keepable import keepable
from releases.engine.machines import Machines
from releases.logs.ansi import to_text
from releases.models import Deployment, Look, LookEnding, Step, User
from releases.remote.errors import ConnectionLost, HostUnreachable, RemoteError
from releases.remote.steps import StepStatus
from releases.runbooks.plan import PlannedStep

LIMIT = 30  # seconds that a probe command may take
OUTPUT = 64 * 1024  # bytes of its output that are kept
PAUSE = timedelta(seconds=5)  # between the end of a look at a step and the next
UNSENT = timedelta(seconds=5)  # after which a message that no worker took is sent again
ABANDONED = timedelta(seconds=90)  # after which another worker takes a look up
GIVEN_UP = timedelta(minutes=10)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Seen:
    """What a look found. `problem`: why there is no exit code, one translated sentence."""

    ending: str
    exit_code: int | None = None
    output: str = ""
    is_cut: bool = False
    problem: str = ""


def ask(step: Step, user: User, actor: Actor) -> Look:
    """Have a worker run the step's probe command. Raises Conflict where a look makes no sense now."""
    with transaction.atomic():
        locked = (
            Deployment.objects.select_for_update(of=("self",), no_key=True)
            .select_related("plan")
            .get(pk=step.deployment_id)
        )
        attempt = step.attempts.filter(status=lifecycle.UNKNOWN).first()
        if attempt is None:
            raise Conflict(_("The outcome of this step is known."))
        if "probe" not in _planned(locked, step).scripts:
            raise EngineError(_("The runbook gives this step no probe command; the machine itself must be looked at."))
        last = step.looks.last()
        if last is not None and last.ended_at is None:
            raise Conflict(_("Somebody is looking at this moment; everybody sees what is found."))
        if last is not None and last.ended_at is not None and last.ended_at > clock.now() - PAUSE:
            raise Conflict(_("It was looked at a moment ago. Wait a few seconds."))
        look = Look.objects.create(
            step=step,
            attempt=attempt,
            remote_id=f"look-{uuid.uuid4().hex}",
            asked_by=user,
            host_name=attempt.host_name,
        )
        touch.bump(locked.pk)
        wake.looker(look.pk)
        audit.record(actor, "step.look", step, attempt=attempt.number)
    return look


def carry_out(look_id: int) -> None:
    """Run the probe command and keep what it showed, unless another worker does or the look has ended."""
    look = _take(look_id)
    if look is None:
        return
    with override(look.asked_by.language):
        try:
            seen = _looked(look)
        except AWAY:
            raise
        except Exception as error:
            # Our own fault must end with a sentence, never as a look that goes on for ever.
            log.exception("look broke", look=look.pk)
            seen = Seen(LookEnding.IMPOSSIBLE, problem=f"{type(error).__name__}: {error}")
    if seen is None:  # this worker stops; the reconciler finds it another one
        Look.objects.filter(pk=look.pk, ended_at__isnull=True, began_at=look.began_at).update(began_at=None)
        return
    _keep(look, seen)


def send_again() -> None:
    """Send a message for each look that no worker carries out, and end those that nobody could."""
    now = clock.now()
    open_ones = Look.objects.filter(ended_at__isnull=True)
    for look in open_ones.filter(asked_at__lt=now - GIVEN_UP).select_related("step", "asked_by"):
        with override(look.asked_by.language):
            problem = _("No worker could look within %s minutes.") % (GIVEN_UP.seconds // 60)
        _keep(look, Seen(LookEnding.IMPOSSIBLE, problem=problem))
    for number in open_ones.filter(_is_free(now, UNSENT)).values_list("pk", flat=True):
        wake.send("look", number)


def _is_free(now: datetime, unsent: timedelta = timedelta()) -> Q:
    """No worker is at it: none took it within `unsent` of the asking, or the one that did is gone."""
    return Q(began_at__isnull=True, asked_at__lte=now - unsent) | Q(began_at__lt=now - ABANDONED)


def _take(look_id: int) -> Look | None:
    """The look, if this worker is the one that carries it out."""
    with transaction.atomic():
        now = clock.now()
        if Look.objects.filter(_is_free(now), pk=look_id, ended_at__isnull=True).update(began_at=now) != 1:
            return None
        parts = ("deployment__environment__project", "deployment__plan", "deployment__release__project")
        look = Look.objects.select_related("asked_by", *(f"step__{part}" for part in parts)).get(pk=look_id)
        touch.bump(look.step.deployment_id)
    return look


def _looked(look: Look) -> Seen | None:
    """What there is to see; None when this worker stops."""
    deployment = look.step.deployment
    planned = _planned(deployment, look.step)
    opened, trouble = plan_secrets.opened(deployment.environment)
    changed = plan_secrets.changed(deployment) & set(planned.scripts["probe"].secrets)
    if changed:
        trouble = _("The secret %s was changed after the approval.") % ", ".join(sorted(changed))
    if trouble:
        return Seen(LookEnding.IMPOSSIBLE, problem=trouble)
    machines = Machines(deployment.environment, deployment.plan.content["hosts"])
    try:
        client = machines.client(planned.runs_on)
        script = in_place(deployment, planned.runs_on, planned.scripts["probe"])
        found = brief.run(client, look.remote_id, script, opened, seconds=LIMIT, cap=OUTPUT, stop=handover.wanted)
    except (HostUnreachable, ConnectionLost) as error:
        return Seen(LookEnding.UNREACHABLE, problem=keepable(told(error), opened.values()))
    except RemoteError as error:
        return Seen(LookEnding.IMPOSSIBLE, problem=keepable(told(error), opened.values()))
    except NotApproved as error:
        return Seen(LookEnding.IMPOSSIBLE, problem=str(error))
    finally:
        machines.close()
    return _judged(found)


def _judged(found: brief.Answer) -> Seen | None:
    status: StepStatus = found.status
    if status.state in {"claimed", "starting", "running"}:
        return None
    output = "\n".join(to_text(line) for line in found.printed.split(b"\n"))
    if status.state == "finished" and status.reason == "timeout":
        problem = _("It took longer than %s s and was ended.") % LIMIT
        return Seen(LookEnding.TIMED_OUT, None, output, found.is_cut, problem)
    if status.state == "finished":
        return Seen(LookEnding.EXITED, status.exit_code, output, found.is_cut)
    problem = _("How the command ended is not known: %s. Look again.") % (status.reason or status.state)
    return Seen(LookEnding.IMPOSSIBLE, None, output, found.is_cut, problem)


def _keep(look: Look, seen: Seen) -> None:
    with transaction.atomic():
        mine = Look.objects.filter(pk=look.pk, ended_at__isnull=True, began_at=look.began_at)
        values = vars(seen) | {"problem": seen.problem[:500]}
        if mine.update(ended_at=clock.now(), **values):
            touch.bump(look.step.deployment_id)


def last_looks(deployment: Deployment) -> list[Look]:
    """The last look at each step that was looked at."""
    rows = Look.objects.filter(step__deployment=deployment).order_by("step_id", "-pk").distinct("step_id")
    return list(rows.select_related("asked_by"))


def _planned(deployment: Deployment, step: Step) -> PlannedStep:
    return next(PlannedStep.from_json(entry) for entry in deployment.plan.content["steps"] if entry["key"] == step.key)
