"""From numbers of workers and jobs to one phase, its reason and what to do about it. Pure.

Waiting in the queue without end looks the same for five causes; in reports from the field most "no capacity" was a
crash loop. So the worst that can be seen is told first, and each cause has its own advice.
"""

from __future__ import annotations

from .nouns import Health, Phase, Readiness, Workers

TAKES_JOBS_WITHIN = 30.0  # seconds within which a ready worker takes a job that waits
STARTS_WITHIN = 60.0  # seconds within which the provider gives a job that waits some worker
UNHEALTHY_AFTER = 420.0  # seconds of starting after which RunPod counts a worker as unhealthy, unless told otherwise

ADVICE = {
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
SLOW_COLD = (
    "This takes longer than RunPod waits for a start unless told otherwise. Set RUNPOD_INIT_TIMEOUT (s) in the "
    "release's variables, or use a smaller model or image."
)


def judge(workers: Workers, health: Health, waited: float, maximum: int | None = None) -> Readiness:
    """`waited`: seconds since it was first asked for something. `maximum`: workers allowed, None if not known."""
    if workers.unhealthy > 0:
        return _told(Phase.CRASH_LOOP, f"{_count(workers.unhealthy)} of {workers.total} unhealthy: crashes or hangs.")
    if maximum == 0 and workers.ready == 0:
        return _told(Phase.STOPPED, f"The maximum of workers is 0; {health.in_queue} requests wait.")
    if workers.ready > 0:
        return _with_ready_workers(workers, health, waited)
    if workers.initializing > 0:
        reason = f"{_count(workers.initializing)} starting, since {waited:.0f} s at most."
        slow = waited > UNHEALTHY_AFTER
        return Readiness(Phase.COLD, reason, SLOW_COLD if slow else ADVICE[Phase.COLD])
    if workers.throttled > 0:
        return _told(Phase.CAPACITY, f"{_count(workers.throttled)} waiting for a free card.")
    return _without_workers(health, waited)


def _with_ready_workers(workers: Workers, health: Health, waited: float) -> Readiness:
    if health.in_queue == 0 or health.in_progress > 0 or workers.running > 0:
        return _told(Phase.READY, f"{_count(workers.ready)} ready, {health.in_progress} requests being answered.")
    seen = f"{_count(workers.ready)} ready, {health.in_queue} requests wait, and none is being answered"
    if waited < TAKES_JOBS_WITHIN:
        return _told(Phase.COLD, f"{seen} yet.")
    return _told(Phase.BROKEN_IMAGE, f"{seen} for {waited:.0f} s.")


def _without_workers(health: Health, waited: float) -> Readiness:
    if health.open == 0:
        return _told(Phase.ASLEEP, "No worker, and no request.")
    if waited < STARTS_WITHIN:
        return _told(Phase.COLD, f"No worker yet; {health.open} requests wait.")
    return _told(Phase.CAPACITY, f"No worker after {waited:.0f} s, though {health.open} requests wait.")


def _told(phase: Phase, reason: str) -> Readiness:
    return Readiness(phase, reason, ADVICE[phase])


def _count(workers: int) -> str:
    return f"{workers} worker" if workers == 1 else f"{workers} workers"
