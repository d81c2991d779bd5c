"""The data port: the job API and the OpenAI route, as https://api.runpod.ai/v2."""

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from .endpoint import Endpoint, new_id
from .jobs import COMPLETED, FAILED, KEPT, KEPT_SYNC, LIFE, TIMED_OUT, WAITING, Job
from .web import Plane, Problem, body_of, reply

BIGGEST = {"run": 10_000_000, "runsync": 20_000_000}  # bytes of a request
WAIT, SHORTEST, LONGEST = 90_000, 1_000, 300_000  # ms that runsync waits
OPENAI_WAIT = 300.0  # s; how long the platform really waits is not known


class Data(Plane):
    """Each method answers the route of its name."""

    name = "data"
    routes = Map(
        [
            Rule("/v2/<endpoint>/run", methods=["POST"], endpoint="run"),
            Rule("/v2/<endpoint>/runsync", methods=["POST"], endpoint="runsync"),
            Rule("/v2/<endpoint>/status/<job>", methods=["GET", "POST"], endpoint="status"),
            Rule("/v2/<endpoint>/stream/<job>", methods=["GET", "POST"], endpoint="stream"),
            Rule("/v2/<endpoint>/cancel/<job>", methods=["POST"], endpoint="cancel"),
            Rule("/v2/<endpoint>/retry/<job>", methods=["POST"], endpoint="retry"),
            Rule("/v2/<endpoint>/purge-queue", methods=["POST"], endpoint="purge"),
            Rule("/v2/<endpoint>/health", methods=["GET"], endpoint="health"),
            Rule("/v2/<endpoint>/openai/<path:route>", methods=["GET", "POST"], endpoint="openai"),
        ]
    )

    def call(self, operation: str, request: Request, arguments: Mapping[str, Any]) -> Response:
        limit = BIGGEST.get(operation)
        if limit and (request.content_length or 0) > limit:
            raise Problem(413, f"the payload is above {limit // 1_000_000} MB")
        with self.account.lock:
            self.account.advance()
            endpoint = self.account.endpoints.get(arguments["endpoint"])
            if endpoint is None or endpoint.settings["type"] != "QUEUE":
                raise Problem(404, "endpoint not found")
            rest = [arguments[name] for name in ("job", "route") if name in arguments]
            if "job" in arguments:
                rest = [self._job(endpoint, arguments["job"])]
            response: Response = getattr(self, operation)(request, endpoint, *rest)
        return response

    def run(self, request: Request, endpoint: Endpoint) -> Response:
        job = self._submit(endpoint, body_of(request), KEPT)
        return reply({"id": job.id, "status": WAITING})

    def runsync(self, request: Request, endpoint: Endpoint) -> Response:
        """May come back before the job is done, with the status that it has then."""
        wait = request.args.get("wait", WAIT, int)
        if not SHORTEST <= wait <= LONGEST:
            raise Problem(400, f"wait must be from {SHORTEST} to {LONGEST} ms")
        job = self._submit(endpoint, body_of(request), KEPT_SYNC)
        self.account.wait(lambda: job.finished is not None, wait / 1000)
        return reply(job.view())

    def status(self, request: Request, endpoint: Endpoint, job: Job) -> Response:
        return reply(job.view())

    def stream(self, request: Request, endpoint: Endpoint, job: Job) -> Response:
        """All of the output that is there."""
        parts = [{"output": part} for part in job.parts or job.output or []]
        return reply({"status": job.status, "stream": parts})

    def cancel(self, request: Request, endpoint: Endpoint, job: Job) -> Response:
        self.account.cancel(endpoint, job)
        return reply({"id": job.id, "status": job.status})

    def retry(self, request: Request, endpoint: Endpoint, job: Job) -> Response:
        if job.status not in {FAILED, TIMED_OUT}:
            raise Problem(400, f"only FAILED and TIMED_OUT jobs can be retried, this one is {job.status}")
        self.account.retry(endpoint, job)
        return reply({"id": job.id, "status": WAITING})

    def purge(self, request: Request, endpoint: Endpoint) -> Response:
        waiting = endpoint.waiting
        for job in waiting:
            self.account.cancel(endpoint, job)
        return reply({"removed": len(waiting), "status": "completed"})

    def health(self, request: Request, endpoint: Endpoint) -> Response:
        return reply(endpoint.health())

    def openai(self, request: Request, endpoint: Endpoint, route: str) -> Response:
        """A job like any other. The status of a failed one is a guess: 500, with the handler's text."""
        body = body_of(request) if request.method == "POST" else None
        given = {"openai_route": f"/{route}", "openai_input": body}
        job = self._submit(endpoint, {"input": given}, KEPT_SYNC)
        if not self.account.wait(lambda: job.finished is not None, OPENAI_WAIT):
            raise Problem(504, "no worker answered in time")
        if job.status != COMPLETED:
            return reply({"error": job.error or job.status}, 500)
        if body and body.get("stream"):
            return Response(_chunks(job.output[0]), content_type="text/event-stream")
        return reply(job.output[0])

    def _submit(self, endpoint: Endpoint, body: Any, kept: float) -> Job:
        """`kept`: how long its result stays, in s."""
        given = body.get("input") if isinstance(body, dict) else None
        if not isinstance(given, dict):
            raise Problem(400, "input is required and must be an object")
        policy = body.get("policy") or {}
        limit = policy.get("executionTimeout", endpoint.settings["timeout"]) / 1000
        life = policy["ttl"] / 1000 if "ttl" in policy else LIFE
        now = self.account.now
        job = Job(new_id("job_"), given, now, limit, life=life, kept=kept, queued=now)
        self.account.submit(endpoint, job)
        return job

    def _job(self, endpoint: Endpoint, identifier: str) -> Job:
        if job := endpoint.jobs.get(identifier):
            return job
        raise Problem(404, "job not found")


def _chunks(answer: dict[str, Any]) -> str:
    """An answer as a stream of its words."""
    choice = answer["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    parts = [{"delta" if "message" in choice else "text": {"content": word + " "}} for word in text.split(" ")]
    parts.append({"delta": {}, "finish_reason": choice["finish_reason"]})
    head = {"id": answer["id"], "object": "chat.completion.chunk", "created": 0, "model": answer["model"]}
    events = [json.dumps({**head, "choices": [{"index": 0, **part}]}) for part in parts]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
