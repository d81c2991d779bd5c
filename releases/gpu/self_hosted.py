"""A server of our own that speaks OpenAI's language: vLLM on a host. It has no queue, no scaling and no bill.

It is started and stopped by steps of a runbook. Here it is only asked whether it is ready and what it answers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import NoReturn

from . import answers
from .account import Account
from .errors import EndpointGone, GpuError, KeyRefused, NotSupported, ProviderUnavailable, Stopped
from .http import Http, Request, Retry, safe_address
from .nouns import (
    Capabilities,
    Endpoint,
    EndpointSpec,
    Health,
    Limits,
    LogLine,
    Phase,
    Price,
    ProbeAnswer,
    Question,
    Readiness,
    Scaling,
    ScalingKind,
    Spend,
    Stopping,
    Workers,
)
from .patience import Deadline
from .readiness import tell

LOOK_LIMIT = 5.0  # seconds for one look at whether it is ready


class SelfHosted(Account):
    """The server at `url` (without /v1) that serves `model`; `key` if it wants one. `ref` is its name everywhere.

    `plain_http` allows an unencrypted address elsewhere than on this machine: then the key travels readable.
    """

    capabilities = Capabilities(create=False, scaling=False, queue=False, logs=False, billing=False)

    def __init__(self, name: str, url: str, model: str, key: str = "", *, plain_http: bool = False) -> None:
        super().__init__(Http(name, key))
        self._name = name
        self._url = safe_address(url, plain_http or not key).removesuffix("/v1")
        self._model = model

    def get(self, ref: str) -> Endpoint:
        """What is known of it without asking. Raises EndpointGone for another name."""
        self._own(ref)
        nothing = Scaling(ScalingKind.REQUEST_COUNT, 1)
        spec = EndpointSpec(
            name=self._name,
            image="",
            env={},
            pools=(),
            disk_gb=0,
            max_workers=1,
            min_workers=1,
            idle_timeout=0,
            execution_timeout=0,
            scaling=nothing,
        )
        return Endpoint(self._name, self._name, spec, {"chat": self._url + answers.CHAT_ROUTE}, None)

    def list_owned(self, prefix: str) -> list[Endpoint]:
        return [self.get(self._name)] if self._name.startswith(prefix) else []

    def list_all(self) -> list[Endpoint]:
        return [self.get(self._name)]

    def readiness(self, ref: str, waited: float) -> Readiness:
        """By /health and /v1/models. Raises KeyRefused; a server that does not answer is a phase."""
        self._own(ref)
        deadline = self._patience.begin()
        try:
            with self._http.stream(self._look("/health", "say that it is healthy"), deadline):
                pass  # its status says all; what it may say beside that differs
            served = self._models(deadline)
        except (KeyRefused, Stopped):
            raise
        except ProviderUnavailable as error:
            starting = error.sent and not deadline.passed  # somebody is there: vLLM answers 503 until it is loaded
            if starting:
                return tell(Phase.COLD, "server_starting", detail=_within_a_sentence(error))
            return tell(Phase.DOWN, "server_down", detail=_within_a_sentence(error))
        except GpuError as error:
            return tell(Phase.DOWN, "server_down", detail=_within_a_sentence(error))
        return self._told_by(served)

    def _told_by(self, served: list[str]) -> Readiness:
        """Whether the models that it serves are what it is for."""
        names = {"name": self._name, "model": self._model}
        if self._model in served:
            return tell(Phase.READY, "server_serves", **names)
        if not served:
            return tell(Phase.DOWN, "server_empty", **names)
        return tell(Phase.DOWN, "server_other_model", served=", ".join(served), **names)

    def probe(self, ref: str, question: Question) -> ProbeAnswer:
        """Always by the chat route: there is no queue, and no policy of a job."""
        self._own(ref)
        deadline, began = self._patience.begin().shorter(question.time_to_live), time.monotonic()
        request = Request(
            "POST",
            self._url + answers.CHAT_ROUTE,
            "answer a chat",
            body=answers.chat(question),
            retry=Retry.NOT_DONE,
            quiet=question.execution_timeout,
        )
        return answers.read(self._http.ask(request, deadline), time.monotonic() - began)

    def _own(self, ref: str) -> None:
        if ref != self._name:
            raise EndpointGone(f"There is no server {ref} here, only {self._name}.")

    def _look(self, path: str, what: str) -> Request:
        """Not retried: whoever waits for it looks again."""
        return Request("GET", self._url + path, what, retry=Retry.NEVER, quiet=LOOK_LIMIT)

    def _models(self, deadline: Deadline) -> list[str]:
        answer = self._http.ask(self._look("/v1/models", "list its models"), deadline)
        listed = answer.get("data") if isinstance(answer, dict) else None
        return [str(each.get("id")) for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []

    # What there is not

    def create(self, spec: EndpointSpec, tag: str) -> Endpoint:
        self._refuse("create endpoints")

    def set_capacity(self, ref: str, minimum: int, maximum: int) -> Endpoint:
        self._refuse("change its number of workers")

    def workers(self, ref: str) -> Workers:
        self._refuse("list workers")

    def health(self, ref: str) -> Health:
        self._refuse("show a queue")

    def cancel(self, ref: str, job: str) -> None:
        self._refuse("cancel a job")

    def purge(self, ref: str) -> int:
        self._refuse("empty a queue")

    def logs(self, ref: str, worker: str, last_event_id: str = "") -> Iterator[LogLine]:
        self._refuse("show logs")

    def price(self, spec: EndpointSpec) -> Price:
        self._refuse("tell a price")

    def limits(self) -> Limits:
        self._refuse("tell limits")

    def spend(self, ref: str, since: datetime, until: datetime) -> Spend:
        self._refuse("show a bill")

    def stop_spending(self, ref: str, jobs: tuple[str, ...] = ()) -> Stopping:
        self._refuse("stop itself")

    def delete(self, ref: str, *, with_jobs: bool = False) -> None:
        self._refuse("delete itself")

    def _refuse(self, what: str) -> NoReturn:
        raise NotSupported(f"{self._name} is a server of our own and cannot {what}.")


def _within_a_sentence(error: GpuError) -> str:
    return error.message.rstrip(".")
