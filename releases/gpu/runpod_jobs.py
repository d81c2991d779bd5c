"""RunPod's job API: the queue of one endpoint, at the addresses that the endpoint itself names."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from . import answers, contract
from . import runpod_shapes as shapes
from .contract import JobCall
from .errors import AddressUntrusted, AnswerUnreadable, EndpointGone, GpuError, JobGone, ProviderRefused
from .http import Http, Request, Retry, belongs_to
from .nouns import Health, Job, ProbeAnswer, Question, Way
from .patience import Deadline

SHORTEST_WAIT = 1000  # ms that runSync waits for a job at least
SYNC_MARGIN = 15.0  # seconds beside that for its answer to arrive
LOOK_AGAIN = 1.0  # seconds between two looks at a job
LAST_LOOK = 5.0  # seconds granted for a look that began just before the patience ended
CANCEL_LIMIT = 10.0  # seconds granted for cancelling a job that nobody waits for any more


Read = Callable[[Any, float, Job], ProbeAnswer]


class Queue:
    """The queue of the endpoint that has these `urls`. Raises AddressUntrusted if they lead away from `data_url`."""

    def __init__(self, http: Http, data_url: str, urls: Mapping[str, str]) -> None:
        self._http = http
        self._urls = urls
        for url in urls.values():
            if not belongs_to(url, data_url):
                raise AddressUntrusted(f"RunPod named {url} for jobs, which is not at {data_url}.")

    def _address(self, name: str, job: str = "") -> str:
        if name not in self._urls:
            raise AnswerUnreadable(f"RunPod named no address of this endpoint for {name}: has it a queue?")
        url, identifier = self._urls[name], quote(job, safe="")
        if not job:
            return url
        return url.replace("{job_id}", identifier) if "{job_id}" in url else f"{url.rstrip('/')}/{identifier}"

    def _ask(self, call: JobCall, deadline: Deadline, job: str = "", **more: Any) -> Any:
        url = self._address(call.url, job)
        return self._http.ask(Request(call.method, url, call.what, retry=call.retry, **more), deadline)

    def _ask_of_queue(self, call: JobCall, deadline: Deadline) -> Any:
        """What the job service does not know may be there all the same: only RunPod's REST tells that it is gone."""
        try:
            return self._ask(call, deadline)
        except EndpointGone as error:
            raise AnswerUnreadable(f"RunPod's job service does not know this queue, asked to {call.what}.") from error

    def health(self, deadline: Deadline) -> Health:
        return shapes.health(self._ask_of_queue(contract.HEALTH, deadline))

    def purge(self, deadline: Deadline) -> int:
        """How many were thrown away. After a lost reply they are gone already, and it is 0."""
        answer = self._ask_of_queue(contract.PURGE, deadline)
        removed = answer.get("removed") if isinstance(answer, Mapping) else None
        return removed if isinstance(removed, int) else 0

    def status(self, job: str, deadline: Deadline) -> tuple[Job, Any]:
        """The job, and its output. Raises JobGone."""
        try:
            answer = self._ask(contract.STATUS, deadline, job)
        except EndpointGone as error:
            raise JobGone(f"RunPod does not know the job {job} any more.") from error
        return shapes.job(answer), answer.get("output")

    def cancel(self, job: str, deadline: Deadline) -> None:
        """What is gone or has ended needs no cancelling."""
        try:
            self._ask(contract.CANCEL, deadline, job)
        except EndpointGone:
            return
        except ProviderRefused:
            with suppress(JobGone):
                if not self.status(job, deadline)[0].ended:
                    raise

    def probe(self, question: Question, deadline: Deadline) -> ProbeAnswer:
        """Ask for real, the way the question says. Raises UnknownModel and what never arrived."""
        began = time.monotonic()
        if question.way is Way.CHAT and question.payload is None:
            return self._chat(question, deadline, began)
        query = {"wait": str(SHORTEST_WAIT)}
        body = answers.chat_job(question)
        quiet = SHORTEST_WAIT / 1000 + SYNC_MARGIN
        answer = self._ask(contract.RUN_SYNC, deadline, query=query, body=body, quiet=quiet)
        job = shapes.job(answer)
        return self._follow(
            job, answer.get("output"), deadline, began, answers.read_any if question.payload else answers.read
        )

    def _follow(self, job: Job, output: Any, deadline: Deadline, began: float, read: Read) -> ProbeAnswer:
        """Until the job ends; what we stop waiting for is cancelled, since it costs money."""
        try:
            while not job.ended:
                if deadline.passed:
                    self._give_up(job)
                    waited = time.monotonic() - began
                    return ProbeAnswer("", f"No answer after {waited:.0f} s; the job was cancelled.", waited, job=job)
                deadline.pause(LOOK_AGAIN)
                job, output = self.status(job.id, deadline.at_least(LAST_LOOK))
        except JobGone as error:
            return ProbeAnswer("", error.message, time.monotonic() - began, job=job)
        except GpuError:
            self._give_up(job)
            raise
        took = time.monotonic() - began
        if job.status != "COMPLETED" or job.error:
            return answers.failed(job.error or f"The job ended as {job.status}.", took, job)
        return read(output, took, job)

    def _give_up(self, job: Job) -> None:
        with suppress(GpuError):
            self.cancel(job.id, Deadline(CANCEL_LIMIT))

    def _chat(self, question: Question, deadline: Deadline, began: float) -> ProbeAnswer:
        """The route that users take; it keeps the connection open until a worker is there."""
        run = self._address("run")
        if not run.endswith("/run"):
            raise AnswerUnreadable("RunPod's address for jobs has another form: the chat route cannot be told from it.")
        url = f"{run.removesuffix('/run')}/openai{answers.CHAT_ROUTE}"
        body = answers.chat(question)
        request = Request("POST", url, "answer a chat", body=body, retry=Retry.NOT_DONE, quiet=deadline.left)
        answer = self._http.ask(request, deadline)
        return answers.read(answer, time.monotonic() - began)
