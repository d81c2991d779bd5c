"""All that we ask of RunPod: each call with the fields we send and the fields we read.

Requests are made from this table, and a test holds it against RunPod's own description. Fields are written with dots,
`[]` for the entries of a list; a name that ends in `{}` is a mapping of names that we do not choose.
"""

from __future__ import annotations

from dataclasses import dataclass

from .http import Retry

_SETTINGS = (
    "name",
    "image",
    "env{}",
    "disk",
    "gpu.pools",
    "gpu.excludedTypes",
    "gpu.count",
    "gpu.minCudaVersion",
    "workers.min",
    "workers.max",
    "workers.idleTimeout",
    "scaling.type",
    "scaling.queueDelay",
    "scaling.requestCount",
    "timeout",
    "flashboot",
)
REQUEST_URLS = ("run", "runSync", "status", "stream", "cancel", "retry", "purgeQueue", "health")
_ENDPOINT = ("id", "createdAt", *_SETTINGS, *(f"requestUrls.{name}" for name in REQUEST_URLS))
_AMOUNTS = ("totalAmount", "gpuAmount", "diskAmount", "feeAmount")
_COUNTS = ("running", "idle", "initializing", "throttled", "unhealthy", "total")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of REST v2. `path` as the description has it; `asks`: query parameters and headers."""

    method: str
    path: str
    what: str
    sends: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    retry: Retry = Retry.ALWAYS


CREATE = Call(
    "POST",
    "/v2/serverless",
    "create an endpoint",
    sends=("type", *_SETTINGS),
    reads=_ENDPOINT,
    retry=Retry.NEVER,
)
LIST = Call("GET", "/v2/serverless", "list the endpoints", reads=tuple(f"endpoints[].{name}" for name in _ENDPOINT))
GET = Call("GET", "/v2/serverless/{id}", "show an endpoint", reads=_ENDPOINT)
CHANGE = Call(
    "PATCH",
    "/v2/serverless/{id}",
    "change an endpoint's workers",
    sends=("workers.min", "workers.max", "workers.idleTimeout"),
)
DELETE = Call("DELETE", "/v2/serverless/{id}", "delete an endpoint")
WORKERS = Call(
    "GET",
    "/v2/serverless/{id}/workers",
    "list an endpoint's workers",
    reads=(
        *(f"summary.{name}" for name in _COUNTS),
        *(f"workers[].{name}" for name in ("id", "status", "isStale", "gpuTypeId")),
        "endpointVersion",
    ),
)
LOGS = Call(
    "GET",
    "/v2/serverless/{id}/workers/{workerId}/logs",
    "show a worker's log",
    asks=("tail", "Last-Event-ID"),
)
GPUS = Call(
    "GET",
    "/v2/catalog/gpus",
    "list the cards on offer",
    asks=("include", "product", "count", "minCudaVersion"),
    reads=("gpus[].id", "gpus[].pool", "gpus[].price.serverless", "gpus[].availability"),
)
BILLING = Call(
    "GET",
    "/v2/billing/serverless",
    "show what was billed",
    asks=("serverlessId", "startTime", "endTime", "bucketSize"),
    reads=(
        *(f"metadata.totals.{name}" for name in _AMOUNTS),
        "metadata.query.startTime",
        "metadata.query.endTime",
    ),
)
CONTROL_CALLS = (CREATE, LIST, GET, CHANGE, DELETE, WORKERS, LOGS, GPUS, BILLING)


@dataclass(frozen=True, slots=True)
class JobCall:
    """A call of the job API, at one of an endpoint's own `requestUrls`. RunPod has no description of its bodies."""

    method: str
    url: str
    what: str
    retry: Retry = Retry.ALWAYS


RUN_SYNC = JobCall("POST", "runSync", "do a job", retry=Retry.NOT_DONE)
STATUS = JobCall("GET", "status", "show a job")
CANCEL = JobCall("POST", "cancel", "cancel a job")
PURGE = JobCall("POST", "purgeQueue", "empty the queue")
HEALTH = JobCall("GET", "health", "show the queue")
JOB_CALLS = (RUN_SYNC, STATUS, CANCEL, PURGE, HEALTH)
