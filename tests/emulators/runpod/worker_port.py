"""The port of the workers: where the SDK in a container takes jobs and brings results.

The platform has these under the address of the job API; here they stay apart from what clients ask and from the faults
that strike clients. Paths, queries, bodies and headers are what the SDK's source (1.12) sends and reads.
"""

from collections.abc import Mapping
from typing import Any

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from .account import Account
from .container import Container
from .endpoint import Endpoint
from .sdk import SdkScheduler
from .web import Backstage, Problem, body_of, reply
from .workers import Worker

HOLD = 10.0  # real seconds for which a question is held when there is nothing to say


class WorkerPort(Backstage):
    """Each method answers the route of its name; `worker` and `container` are those that ask."""

    name = "workers"
    routes = Map(
        [
            Rule("/v2/<endpoint>/job-take/<worker>", methods=["GET"], endpoint="take"),
            Rule("/v2/<endpoint>/job-take-batch/<worker>", methods=["GET"], endpoint="take_batch"),
            Rule("/v2/<endpoint>/job-stop/<worker>", methods=["GET"], endpoint="stop"),
            Rule("/v2/<endpoint>/job-stream/<worker>/<job>", methods=["POST"], endpoint="stream"),
            Rule("/v2/<endpoint>/job-done/<worker>/<job>", methods=["POST"], endpoint="done"),
            Rule("/v2/<endpoint>/ping/<worker>", methods=["GET"], endpoint="ping"),
        ]
    )

    def __init__(self, account: Account) -> None:
        assert isinstance(account.scheduler, SdkScheduler)
        super().__init__(account, "")
        self.scheduler = account.scheduler

    def call(self, operation: str, request: Request, arguments: Mapping[str, Any]) -> Response:
        with self.account.lock:
            self.account.advance()
            endpoint = self.account.endpoints.get(arguments["endpoint"])
            worker = endpoint.worker(arguments["worker"]) if endpoint else None
            container = self.scheduler.container(worker) if worker else None
            # The key is one container's: what a worker's last process still sends is not taken for its next one's.
            if not endpoint or not worker or not container or request.headers.get("Authorization") != container.key:
                raise Problem(401, "no container of this worker")
            if operation in {"done", "stream"}:
                return self._result(operation, request, endpoint, worker, arguments["job"])
            response: Response = getattr(self, operation)(request, endpoint, worker, container)
        return response

    def take(self, request: Request, endpoint: Endpoint, worker: Worker, container: Container) -> Response:
        jobs = self._jobs(endpoint, worker, container, 1)
        return reply(jobs[0]) if jobs else Response(status=204)

    def take_batch(self, request: Request, endpoint: Endpoint, worker: Worker, container: Container) -> Response:
        jobs = self._jobs(endpoint, worker, container, request.args.get("batch_size", 1, int))
        return reply(jobs) if jobs else Response(status=204)

    def _jobs(self, endpoint: Endpoint, worker: Worker, container: Container, most: int) -> list[dict[str, Any]]:
        """Waits for one; then as many as there are."""
        self.scheduler.appear(worker, self.account.now)
        self.account.lock.notify_all()

        def there() -> bool:
            return self._over(worker, container) or bool(self.scheduler.offered(endpoint, worker, most))

        self.account.lock.wait_for(there, HOLD)
        if self._over(worker, container):
            return []
        offered = self.scheduler.offered(endpoint, worker, most)
        return [self.scheduler.take(endpoint, worker, job, self.account.now) for job in offered]

    def stop(self, request: Request, endpoint: Endpoint, worker: Worker, container: Container) -> Response:
        self.account.lock.wait_for(lambda: self._over(worker, container) or bool(container.stops), HOLD)
        told, container.stops = container.stops, []
        return reply({"jobsToStop": told})

    def ping(self, request: Request, endpoint: Endpoint, worker: Worker, container: Container) -> Response:
        """It tells what the process is at. A job that it should have given up is named again.

        The SDK forgets the name of a job that it has taken and not yet begun, for which it takes up to 0.1 s.
        """
        known = {job.id for job in worker.jobs}
        at_work = filter(None, request.args.get("job_id", "").split(","))
        container.stops += [name for name in at_work if name not in known and name not in container.stops]
        self.account.lock.notify_all()
        return reply({})

    def _result(self, operation: str, request: Request, endpoint: Endpoint, worker: Worker, name: str) -> Response:
        """Of a job that was given up, nobody wants to hear."""
        if job := next((job for job in worker.jobs if job.id == name), None):
            body = body_of(request)
            if operation == "done":
                self.scheduler.done(endpoint, worker, job, body, self.account.now)
            elif "output" in body:
                job.parts.append(body["output"])
            self.account.advance()
        return reply({})

    def _over(self, worker: Worker, container: Container) -> bool:
        return not self.account.open or self.scheduler.container(worker) is not container
