"""RunPod Serverless: REST v2 for endpoints, the job API for their queues.

    with RunPod(key) as runpod:
        endpoint = runpod.within(120, cancelled).create(spec, tag)

v1 of the REST interface, GraphQL and RunPod's own package are not used: the first is switched off, the second resets
what it is not told, the third can neither delete nor scale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from . import contract, readiness, sse
from . import runpod_shapes as shapes
from .account import Account
from .contract import Call
from .errors import AnswerUnreadable, CapacityNotKept, EndpointGone, NotDrained, PriceUnknown, ProviderUnavailable
from .http import READ_LIMIT, Http, Request, safe_address
from .nouns import (
    Capabilities,
    Endpoint,
    EndpointSpec,
    Health,
    Limits,
    LogLine,
    Price,
    ProbeAnswer,
    Question,
    Readiness,
    Spend,
    Stopping,
    Workers,
)
from .patience import Deadline
from .runpod_create import Creation, named
from .runpod_jobs import Queue
from .runpod_stop import StopSpending

CONTROL = "https://api.runpod.io"
DATA = "https://api.runpod.ai"
LOG_QUIET = 30.0  # seconds without a line or a sign of life after which the stream counts as broken
LOG_TAIL = 1000  # lines from before that a fresh stream begins with


class RunPod(Account):
    """One account, by its key. Threads may share it; close it, or use it as a context manager.

    `worker_quota`: how many workers the account may have; RunPod's REST v2 does not tell. `plain_http` allows an
    unencrypted address elsewhere than on this machine. `settle`: seconds for which a creation without a reply may
    still be at work. `look_again`: seconds between two looks at workers that shall go.
    `quiet`: seconds without a byte after which an answer counts as lost.
    """

    capabilities = Capabilities(create=True, scaling=True, queue=True, logs=True, billing=True)

    def __init__(
        self,
        key: str,
        *,
        control_url: str = CONTROL,
        data_url: str = DATA,
        worker_quota: int | None = None,
        plain_http: bool = False,
        settle: float = 10.0,
        look_again: float = 2.0,
        quiet: float = READ_LIMIT,
    ) -> None:
        super().__init__(Http("RunPod", key, quiet))
        self._control_url = safe_address(control_url, plain_http).removesuffix("/v2")
        self._data_url = safe_address(data_url, plain_http)
        self._quota = worker_quota
        self._settle = settle
        self._look_again = look_again
        self._urls: dict[str, Mapping[str, str]] = {}  # of endpoints seen; they never change

    # Endpoints

    def create(self, spec: EndpointSpec, tag: str) -> Endpoint:
        name = named(spec, tag)
        body = shapes.creation(spec, name)

        def post(deadline: Deadline) -> Endpoint:
            return self._seen(shapes.endpoint(self._ask(contract.CREATE, deadline, body=body, env=spec.env)))

        creation = Creation(spec, name, post=post, list_all=self._list, settle=self._settle)
        return creation.run(self._patience.begin())

    def get(self, ref: str) -> Endpoint:
        return self._get(ref, self._patience.begin())

    def list_owned(self, prefix: str) -> list[Endpoint]:
        return [endpoint for endpoint in self.list_all() if endpoint.name.startswith(prefix)]

    def list_all(self) -> list[Endpoint]:
        return self._list(self._patience.begin())

    def set_capacity(self, ref: str, minimum: int, maximum: int) -> Endpoint:
        deadline = self._patience.begin()
        before = self._get(ref, deadline)
        wanted = {"min": minimum, "max": maximum}
        if before.spec.idle_timeout:  # not left to a default; where it does not apply it is not shown either
            wanted["idleTimeout"] = before.spec.idle_timeout
        self._change_workers(ref, wanted, deadline)
        return self._kept(ref, minimum, maximum, deadline)

    def delete(self, ref: str, *, with_jobs: bool = False) -> None:
        deadline = self._patience.begin()
        try:
            if not with_jobs:
                self._require_drained(ref, deadline)
            self._ask(contract.DELETE, deadline, {"id": ref})
        except EndpointGone:
            return

    def _require_drained(self, ref: str, deadline: Deadline) -> None:
        try:
            health = self._queue(ref, deadline).health(deadline)
        except AnswerUnreadable:
            self._get(ref, deadline)  # raises EndpointGone where that is why
            raise
        if health.open:
            said = f"{health.in_queue} requests wait and {health.in_progress} are being answered"
            raise NotDrained(f"The endpoint {ref} was not deleted: {said}.")

    # Workers

    def workers(self, ref: str) -> Workers:
        return self._workers(ref, self._patience.begin())

    def health(self, ref: str) -> Health:
        deadline = self._patience.begin()
        return self._queue(ref, deadline).health(deadline)

    def readiness(self, ref: str, waited: float) -> Readiness:
        deadline = self._patience.begin()
        maximum = self._get(ref, deadline).spec.max_workers
        workers = self._workers(ref, deadline)
        return readiness.judge(workers, self._queue(ref, deadline).health(deadline), waited, maximum)

    def logs(self, ref: str, worker: str, last_event_id: str = "") -> Iterator[LogLine]:
        deadline = self._patience.begin()
        more = {"headers": {"Last-Event-ID": last_event_id}} if last_event_id else {"query": {"tail": str(LOG_TAIL)}}
        request = self._request(contract.LOGS, {"id": ref, "workerId": worker}, quiet=LOG_QUIET, **more)
        begun = False
        try:
            with self._http.stream(request, deadline) as response:
                begun = True
                for line in sse.log_lines(_until(response.iter_lines(), deadline)):
                    if line.id != last_event_id or "/" not in line.id:  # an id without a number is only a time
                        yield line
        except ProviderUnavailable:
            if not begun:  # a stream that breaks is resumed by who reads it
                raise

    def stop_spending(self, ref: str, jobs: tuple[str, ...] = ()) -> Stopping:
        stopping = StopSpending(Deadline(self._patience.seconds), self._look_again)
        stopping.forbid(lambda limit: self._forbid(ref, limit))
        stopping.attempt(lambda limit: self._queue(ref, limit).purge(limit))
        for job in jobs:
            stopping.attempt(partial(self._cancel, ref, job))
        return stopping.watch(
            lambda limit: self._forbid(ref, limit),
            lambda limit: self._workers(ref, limit).total,
            lambda limit: self._queue(ref, limit).health(limit).open,
        )

    # Jobs

    def probe(self, ref: str, question: Question) -> ProbeAnswer:
        deadline = self._patience.begin()
        return self._queue(ref, deadline).probe(question, deadline)

    def cancel(self, ref: str, job: str) -> None:
        self._cancel(ref, job, self._patience.begin())

    def purge(self, ref: str) -> int:
        deadline = self._patience.begin()
        return self._queue(ref, deadline).purge(deadline)

    # Money

    def price(self, spec: EndpointSpec) -> Price:
        query = {"include": "AVAILABILITY", "product": "SERVERLESS", "count": str(spec.gpu_count)}
        if spec.min_cuda:
            query["minCudaVersion"] = spec.min_cuda
        offered = shapes.cards(self._ask(contract.GPUS, self._patience.begin(), query=query))
        cards = tuple(card for card in offered if card.pool in spec.pools and card.id not in spec.excluded_types)
        if not cards:
            raise PriceUnknown(f"RunPod offers no card in the pools {', '.join(spec.pools)} that is not excluded.")
        return Price(max(card.per_hour for card in cards) * spec.gpu_count, cards)

    def limits(self) -> Limits:
        return Limits(sum(endpoint.spec.max_workers for endpoint in self.list_all()), self._quota)

    def spend(self, ref: str, since: datetime, until: datetime) -> Spend:
        query = {
            "serverlessId": ref,
            "startTime": shapes.instant(since),
            "endTime": shapes.instant(until),
            "bucketSize": "hour",
        }
        return shapes.spend(self._ask(contract.BILLING, self._patience.begin(), query=query))

    # The requests themselves

    def _request(self, call: Call, places: Mapping[str, str], **more: Any) -> Request:
        path = call.path
        for name, value in places.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return Request(call.method, self._control_url + path, call.what, retry=call.retry, **more)

    def _ask(self, call: Call, deadline: Deadline, places: Mapping[str, str] | None = None, **more: Any) -> Any:
        return self._http.ask(self._request(call, places or {}, **more), deadline)

    def _seen(self, endpoint: Endpoint) -> Endpoint:
        self._urls[endpoint.id] = endpoint.urls
        return endpoint

    def _get(self, ref: str, deadline: Deadline) -> Endpoint:
        return self._seen(shapes.endpoint(self._ask(contract.GET, deadline, {"id": ref})))

    def _list(self, deadline: Deadline) -> list[Endpoint]:
        return [self._seen(endpoint) for endpoint in shapes.endpoints(self._ask(contract.LIST, deadline))]

    def _workers(self, ref: str, deadline: Deadline) -> Workers:
        return shapes.workers(self._ask(contract.WORKERS, deadline, {"id": ref}))

    def _change_workers(self, ref: str, wanted: dict[str, int], deadline: Deadline) -> None:
        self._ask(contract.CHANGE, deadline, {"id": ref}, body={"workers": wanted})

    def _kept(self, ref: str, minimum: int, maximum: int, deadline: Deadline) -> Endpoint:
        after = self._get(ref, deadline)
        if (after.spec.min_workers, after.spec.max_workers) != (minimum, maximum):
            seen = f"{after.spec.min_workers} to {after.spec.max_workers}"
            raise CapacityNotKept(f"Set to {minimum} to {maximum} workers, {ref} then showed {seen}.")
        return after

    def _forbid(self, ref: str, deadline: Deadline) -> int:
        """The maximum of workers, which is 0 from now on."""
        self._change_workers(ref, {"min": 0, "max": 0}, deadline)
        return self._kept(ref, 0, 0, deadline).spec.max_workers

    def _cancel(self, ref: str, job: str, deadline: Deadline) -> int:
        self._queue(ref, deadline).cancel(job, deadline)
        return 0

    def _queue(self, ref: str, deadline: Deadline) -> Queue:
        urls = self._urls.get(ref) or self._get(ref, deadline).urls
        return Queue(self._http, self._data_url, urls)


def _until(lines: Iterator[str], deadline: Deadline) -> Iterator[str]:
    """Lines until the deadline passes. Raises Stopped."""
    for line in lines:
        deadline.check()
        yield line
        if deadline.passed:
            return
