"""Proving an endpoint by its own address before any user meets it: cold, warm, and several requests at once."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from releases.actions import gpu_steps, gpu_words
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.endpoints import states, stopping
from releases.endpoints.proving import Exam, Examiner, NotProved, Prompt
from releases.gpu.errors import GpuError, Stopped
from releases.gpu.nouns import Way
from releases.gpu.provider import Provider
from releases.models import EndpointOrder, EndpointState, GpuEndpoint, GpuProof, GpuSpec

STOP_SECONDS = 60.0


class GpuProve(DirectAction):
    """Gives it its workers again where they were taken, then asks it. A new one that fails is stopped at once."""

    kind = "gpu_prove"

    def run(self, context: StepContext) -> None:
        gpu_steps.carefully(context, lambda: self._prove(context))

    def _prove(self, context: StepContext) -> None:
        row = gpu_steps.chosen(context.deployment, context.parameters["endpoint"])
        is_new = context.parameters["endpoint"] == "new"
        actor = gpu_steps.actor_of(context)
        if is_new and row.state == EndpointState.TESTING and (row.stopped_at or row.order == EndpointOrder.STOP):
            sentence = _("It was stopped before it was proved: %s Allow it on the GPU page, then try this step again.")
            raise ActionError(sentence % (row.stopped_because or row.order_because))
        if is_new and row.state == EndpointState.FAILED:
            states.become(row, EndpointState.TESTING, actor)
        context.say(f"{row.name} ({row.ref})")
        with gpu_steps.provider(context, row.account) as provider:
            self._ensure_capacity(context, row, provider)
            problem = self._examined(context, row, provider)
        if context.stop():
            return
        if problem and is_new:
            self._give_up(context, row, problem)
        if problem:
            raise ActionError(problem)
        if row.state in (EndpointState.TESTING, EndpointState.RETAINED, EndpointState.FAILED):
            states.become(row, EndpointState.STANDBY, actor)

    def _ensure_capacity(self, context: StepContext, row: GpuEndpoint, provider: Provider) -> None:
        """The platform sets the maximum to 0 after a week without requests; so does stopping what it costs."""
        if not provider.capabilities.scaling:
            return
        there = provider.get(row.ref).spec
        is_same = (there.min_workers, there.max_workers) == (row.min_workers, row.max_workers)
        if is_same and not row.order and row.stopped_at is None:
            return
        stopping.allow(row, gpu_steps.actor_of(context), gpu_steps.CALL_SECONDS)
        words = {"before": there.max_workers, "now": row.max_workers}
        context.say(_("Workers at most: %(before)s, now %(now)s again") % words)
        context.evidence["capacity"] = words

    def _examined(self, context: StepContext, row: GpuEndpoint, provider: Provider) -> str:
        """The problem, "" when it passed; either way it is written down. Raises Stopped."""
        examiner = Examiner(
            provider,
            row.ref,
            exam_of(row, context.parameters),
            context.say,
            gpu_words.readiness,
            context.stop,
        )
        result, problem = examiner.result, ""
        try:
            examiner.run()
        except NotProved as error:
            problem = str(error)
        except Stopped:
            raise
        except GpuError as error:
            problem = gpu_words.told(error)
        if context.stop():
            raise Stopped("The step was stopped.")
        occasion = GpuProof.Occasion.ROLLBACK if context.deployment.undoes_id else GpuProof.Occasion.DEPLOY
        kept = asdict(result)
        GpuProof.objects.create(
            endpoint=row,
            attempt=context.attempt,
            occasion=occasion,
            at=timezone.now(),
            passed=not problem,
            problem=problem,
            **kept,
        )
        context.evidence["proof"] = kept
        return problem

    def _give_up(self, context: StepContext, row: GpuEndpoint, problem: str) -> None:
        """It costs nothing more, whatever is wrong with it."""
        actor = gpu_steps.actor_of(context)
        states.become(row, EndpointState.FAILED, actor, problem)
        stopped = stopping.stop_now(row, problem, actor, STOP_SECONDS)
        if stopped is None:
            return
        context.evidence["stopped"] = stopped.done
        if stopped.done:
            context.say(_("Its workers are stopped: it costs nothing more."))
        else:
            context.say(
                _("It could not be stopped yet; that is tried again each minute: %s") % " ".join(stopped.problems)
            )


def exam_of(row: GpuEndpoint, parameters: Mapping[str, Any]) -> Exam:
    """What is asked of an endpoint: what the step says, by the route that its method has."""
    prompts = [
        Prompt(
            entry.get("text", ""),
            entry.get("matches", ""),
            entry["max_tokens"],
            json.loads(entry["input"]) if entry.get("input") else None,
        )
        for entry in parameters["prompts"]
    ]
    handler = row.spec.get("method") == GpuSpec.Method.HANDLER
    return Exam(
        model=row.spec.get("served_name", ""),
        prompts=prompts,
        cold_limit=parameters["cold_limit"],
        capacity_limit=parameters["capacity_limit"],
        warm=parameters["warm"],
        warm_limit=parameters["warm_limit"],
        at_once=parameters["at_once"],
        way=Way.QUEUE if handler else Way.CHAT,
    )
