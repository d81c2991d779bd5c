"""Between RunPod's JSON and our nouns. Pure. Raises AnswerUnreadable, in words that hold no value of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .contract import REQUEST_URLS
from .errors import AnswerUnreadable
from .nouns import (
    Card,
    Endpoint,
    EndpointSpec,
    FlashBoot,
    Health,
    Job,
    Scaling,
    ScalingKind,
    Spend,
    Worker,
    Workers,
)

Answer = Mapping[str, Any]


@contextmanager
def reading(what: str) -> Iterator[None]:
    try:
        yield
    except KeyError as missing:
        raise AnswerUnreadable(f"RunPod's answer about {what} lacks {missing}.") from None
    except (TypeError, ValueError, AttributeError, ArithmeticError):
        raise AnswerUnreadable(f"RunPod's answer about {what} has another form than it should.") from None


def creation(spec: EndpointSpec, name: str) -> dict[str, Any]:
    """The body that creates an endpoint called `name`. Everything is said: the defaults differ from place to place."""
    gpu: dict[str, Any] = {"pools": list(spec.pools), "count": spec.gpu_count}
    if spec.excluded_types:
        gpu["excludedTypes"] = list(spec.excluded_types)
    if spec.min_cuda:
        gpu["minCudaVersion"] = spec.min_cuda
    workers = {"min": spec.min_workers, "max": spec.max_workers}
    if spec.scaling.kind is ScalingKind.QUEUE_DELAY:  # with the other one it is refused
        workers["idleTimeout"] = spec.idle_timeout
    return {
        "name": name,
        "type": "QUEUE",
        "image": spec.image,
        "env": dict(spec.env),
        "disk": spec.disk_gb,
        "gpu": gpu,
        "workers": workers,
        "scaling": _scaling_body(spec.scaling),
        "timeout": spec.execution_timeout * 1000,
        "flashboot": spec.flashboot.value,
    }


def _scaling_body(scaling: Scaling) -> dict[str, Any]:
    if scaling.kind is ScalingKind.QUEUE_DELAY:
        return {"type": scaling.kind.value, "queueDelay": scaling.value}
    return {"type": scaling.kind.value, "requestCount": int(scaling.value)}


def endpoint(answer: Answer) -> Endpoint:
    """An endpoint of any kind: what one for CPUs or a load balancer has not is empty."""
    with reading("an endpoint"):
        urls = answer.get("requestUrls") or {}
        return Endpoint(
            id=_word(answer["id"]),
            name=_word(answer["name"]),
            spec=_spec(answer),
            urls={name: _word(urls[name]) for name in REQUEST_URLS if name in urls},
            created=date(answer["createdAt"]) if answer.get("createdAt") else None,
        )


def endpoints(answer: Answer) -> list[Endpoint]:
    with reading("the endpoints"):
        return [endpoint(each) for each in answer["endpoints"]]


def _spec(answer: Answer) -> EndpointSpec:
    gpu, workers = answer.get("gpu") or {}, answer["workers"]
    return EndpointSpec(
        name=answer["name"],
        image=answer.get("image") or "",
        env=dict(answer.get("env") or {}),
        pools=tuple(gpu.get("pools") or ()),
        excluded_types=tuple(gpu.get("excludedTypes") or ()),
        min_cuda=gpu.get("minCudaVersion") or "",
        gpu_count=gpu.get("count") or 1,
        disk_gb=answer.get("disk") or 0,
        min_workers=int(workers["min"]),
        max_workers=int(workers["max"]),
        idle_timeout=workers.get("idleTimeout") or 0,
        execution_timeout=int(answer["timeout"]) // 1000,
        scaling=_scaling(answer["scaling"]),
        flashboot=FlashBoot(answer["flashboot"]),
    )


def _scaling(answer: Answer) -> Scaling:
    kind = ScalingKind(answer["type"])
    name = "queueDelay" if kind is ScalingKind.QUEUE_DELAY else "requestCount"
    return Scaling(kind, float(answer[name]))


def workers(answer: Answer) -> Workers:
    with reading("the workers"):
        summary = answer["summary"]
        return Workers(
            running=int(summary["running"]),
            idle=int(summary["idle"]),
            initializing=int(summary["initializing"]),
            throttled=int(summary["throttled"]),
            unhealthy=int(summary["unhealthy"]),
            total=int(summary["total"]),
            version=answer.get("endpointVersion"),
            members=tuple(
                Worker(_word(each["id"]), each["status"], bool(each["isStale"]), each.get("gpuTypeId") or "")
                for each in answer["workers"]
            ),
        )


def cards(answer: Answer) -> list[Card]:
    """The cards that serverless workers can have, with their prices. The others are left out."""
    with reading("the cards"):
        return [
            Card(each["id"], each["pool"], _money(each["price"]["serverless"]), each.get("availability") or "")
            for each in answer["gpus"]
            if each.get("pool") and each["price"].get("serverless") is not None
        ]


def spend(answer: Answer) -> Spend:
    with reading("the bill"):
        totals, query = answer["metadata"]["totals"], answer["metadata"]["query"]
        return Spend(
            since=date(query["startTime"]),
            until=date(query["endTime"]),
            total=_money(totals["totalAmount"]),
            gpu=_money(totals["gpuAmount"]),
            disk=_money(totals["diskAmount"]),
            fee=_money(totals["feeAmount"]),
        )


def health(answer: Answer) -> Health:
    """Each number is optional: what is documented and what is sent differ."""
    with reading("the queue"):
        jobs = answer["jobs"]
        return Health(
            in_queue=int(jobs.get("inQueue") or 0),
            in_progress=int(jobs.get("inProgress") or 0),
            completed=int(jobs.get("completed") or 0),
            failed=int(jobs.get("failed") or 0),
        )


def job(answer: Answer) -> Job:
    with reading("a job"):
        return Job(
            id=_word(answer["id"]),
            status=_word(answer["status"]),
            delay=_seconds(answer.get("delayTime")),
            execution=_seconds(answer.get("executionTime")),
            worker=answer.get("workerId") or "",
            error=_error(answer),
        )


def _error(answer: Answer) -> str:
    """A job's own error, or the one that a handler put where its answer belongs."""
    said = answer.get("error")
    if not said and isinstance(answer.get("output"), dict):
        said = answer["output"].get("error")
    return "" if not said else said if isinstance(said, str) else str(dict(said) if isinstance(said, dict) else said)


def date(text: str) -> datetime:
    """Aware: a date without a zone is in UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def instant(when: datetime) -> str:
    """As RFC 3339 in UTC. Raises ValueError for a naive date."""
    if when.tzinfo is None:
        raise ValueError("A date without a time zone names no instant.")
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000


def _money(value: Any) -> Decimal:
    money = value if isinstance(value, Decimal) else Decimal(str(value))
    if not money.is_finite():
        raise ValueError
    return money
