"""From numbers of workers and jobs to one phase, its reason and what to do about it. Pure.

Waiting in the queue without end looks the same for five causes; in reports from the field most "no capacity" was a
crash loop. So the worst that can be seen is told first, and each cause has its own advice.
"""

from __future__ import annotations

from typing import Final

from .nouns import Health, Phase, Readiness, Workers

TAKES_JOBS_WITHIN = 30.0  # seconds within which a ready worker takes a job that waits
STARTS_WITHIN = 60.0  # seconds within which the provider gives a job that waits some worker
UNHEALTHY_AFTER = 420.0  # seconds of starting after which RunPod counts a worker as unhealthy, unless told otherwise

ADVICE: Final = {
    Phase.READY: "Nothing to do. Ask it something: only an answer proves that the model works.",
    Phase.COLD: "Wait: image and model are loaded. Minutes are normal the first time.",
    Phase.ASLEEP: "Nothing to do: the first request starts a worker, and waits for it.",
    Phase.STOPPED: "Raise the maximum of workers. RunPod sets it to 0 by itself after a week without requests.",
    Phase.CAPACITY: "Wait, or allow another pool of cards or exclude fewer: none of those asked for is free.",
    Phase.CRASH_LOOP: "Stop it now, since crashing may cost money, and read the worker's log: the usual causes are too "
    "little memory for the model, a wrong variable, or a card with too old a CUDA.",
    Phase.BROKEN_IMAGE: "Stop it and give the release up: the image starts, and its handler does not ask for jobs. "
    "Check that the image is one for the queue of this provider, and its start command.",
    Phase.DOWN: "Look at the server on its machine: is it running, and with this model?",
}
SLOW_COLD: Final = (
    "This takes longer than RunPod waits for a start unless told otherwise. Set RUNPOD_INIT_TIMEOUT (s) in the "
    "release's variables, or use a smaller model or image."
)
# The sentence of each code of a readiness. Numbers stand apart from words, so that none needs a plural.
REASONS: Final = {
    "unhealthy": "Workers unhealthy: %(unhealthy)d of %(total)d. They crash or hang.",
    "forbidden": "The maximum of workers is 0; requests waiting: %(in_queue)d.",
    "ready": "Workers ready: %(ready)d; requests being answered: %(in_progress)d.",
    "not_taken_yet": "Workers ready: %(ready)d; requests waiting: %(in_queue)d; none is being answered yet.",
    "not_taken": "Workers ready: %(ready)d; requests waiting: %(in_queue)d; none was answered in %(waited)d s.",
    "starting": "Workers starting: %(initializing)d, since %(waited)d s at most.",
    "starting_slowly": "Workers starting: %(initializing)d, since %(waited)d s at most.",
    "throttled": "Workers waiting for a free card: %(throttled)d.",
    "asleep": "No worker, and no request.",
    "no_worker_yet": "No worker yet; requests waiting: %(waiting)d.",
    "no_worker": "No worker after %(waited)d s; requests waiting: %(waiting)d.",
    "server_serves": "%(name)s serves %(model)s.",
    "server_starting": "The server is there, and does not answer as it should yet (%(detail)s).",
    "server_down": "The server can't be asked (%(detail)s).",
    "server_empty": "%(name)s serves no model; it should serve %(model)s.",
    "server_other_model": "%(name)s serves %(served)s, not %(model)s.",
}


def judge(workers: Workers, health: Health, waited: float, maximum: int | None = None) -> Readiness:
    """`waited`: seconds since it was first asked for something. `maximum`: workers allowed, None if not known."""
    if workers.unhealthy > 0:
        return tell(Phase.CRASH_LOOP, "unhealthy", unhealthy=workers.unhealthy, total=workers.total)
    if maximum == 0 and workers.ready == 0:
        return tell(Phase.STOPPED, "forbidden", in_queue=health.in_queue)
    if workers.ready > 0:
        return _with_ready_workers(workers, health, waited)
    if workers.initializing > 0:
        code = "starting_slowly" if waited > UNHEALTHY_AFTER else "starting"
        return tell(Phase.COLD, code, initializing=workers.initializing, waited=round(waited))
    if workers.throttled > 0:
        return tell(Phase.CAPACITY, "throttled", throttled=workers.throttled)
    return _without_workers(health, waited)


def tell(phase: Phase, code: str, **facts: int | str) -> Readiness:
    """A readiness in words: the sentence of its code with the facts in it, and what to do about it."""
    advice = SLOW_COLD if code == "starting_slowly" else ADVICE[phase]
    return Readiness(phase, code, facts, REASONS[code] % facts, advice)


def _with_ready_workers(workers: Workers, health: Health, waited: float) -> Readiness:
    if health.in_queue == 0 or health.in_progress > 0 or workers.running > 0:
        return tell(Phase.READY, "ready", ready=workers.ready, in_progress=health.in_progress)
    if waited < TAKES_JOBS_WITHIN:
        return tell(Phase.COLD, "not_taken_yet", ready=workers.ready, in_queue=health.in_queue)
    seen = {"ready": workers.ready, "in_queue": health.in_queue, "waited": round(waited)}
    return tell(Phase.BROKEN_IMAGE, "not_taken", **seen)


def _without_workers(health: Health, waited: float) -> Readiness:
    if health.open == 0:
        return tell(Phase.ASLEEP, "asleep")
    if waited < STARTS_WITHIN:
        return tell(Phase.COLD, "no_worker_yet", waiting=health.open)
    return tell(Phase.CAPACITY, "no_worker", waiting=health.open, waited=round(waited))
