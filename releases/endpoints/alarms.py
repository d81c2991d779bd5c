"""What is wrong with an endpoint now, as the cost guard finds it: sentences by their kind, shown as its problem.

Each look says everything that it finds. Only what is new, or over, is written down and audited: a wrong that lasts
is told once. What others wrote into the problem, such as why a deployment failed, stays before it.
"""

from collections.abc import Collection, Mapping

from django.db import transaction

from releases import audit
from releases.audit import THE_SYSTEM
from releases.models import GpuEndpoint


def settle(endpoint: GpuEndpoint, found: Mapping[str, str], kinds: Collection[str]) -> None:
    """Of these `kinds` exactly those `found` hold now, each with its sentence; of other kinds nothing is said."""
    with transaction.atomic():
        row = GpuEndpoint.objects.select_for_update(no_key=True, of=("self",)).get(pk=endpoint.pk)
        before: dict[str, str] = row.alarms
        kept = {kind: said for kind, said in before.items() if kind not in kinds or kind in found}
        new = {kind: said for kind, said in found.items() if kind in kinds and kind not in before}
        now = kept | new
        problem = _joined(_of_others(row), _text(now))
        if now == before and problem == row.problem:
            return
        GpuEndpoint.objects.filter(pk=row.pk).update(alarms=now, problem=problem)
        _record(endpoint, new, sorted(before.keys() - now.keys()))
    endpoint.alarms, endpoint.problem = now, problem


def _record(endpoint: GpuEndpoint, new: Mapping[str, str], over: list[str]) -> None:
    for kind, said in sorted(new.items()):
        audit.record(THE_SYSTEM, "gpu_endpoint.alarm", endpoint, kind=kind, reason=said)
    if over:
        audit.record(THE_SYSTEM, "gpu_endpoint.alarm_over", endpoint, kinds=over)


def _of_others(row: GpuEndpoint) -> str:
    """The problem without our sentences."""
    problem: str = row.problem
    return problem.removesuffix(_text(row.alarms)).rstrip()


def _text(alarms: Mapping[str, str]) -> str:
    return " ".join(said for _kind, said in sorted(alarms.items()))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
