"""The port of the tests alone: what goes wrong, the time, and everything there is."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from .account import Account
from .faults import KINDS, Fault
from .web import Backstage, Problem, body_of, reply


class Admin(Backstage):
    """POST /faults {kind, ...}; GET /faults; DELETE /faults[?kind=]; POST /skip {seconds}; GET /state. No key."""

    name = "admin"
    routes = Map(
        [
            Rule("/faults", methods=["POST"], endpoint="add"),
            Rule("/faults", methods=["GET"], endpoint="list"),
            Rule("/faults", methods=["DELETE"], endpoint="clear"),
            Rule("/skip", methods=["POST"], endpoint="skip"),
            Rule("/state", methods=["GET"], endpoint="state"),
        ]
    )

    def __init__(self, account: Account) -> None:
        super().__init__(account, "")

    def call(self, operation: str, request: Request, arguments: Mapping[str, Any]) -> Response:
        with self.account.lock:
            self.account.advance()
            response: Response = getattr(self, operation)(request)
        return response

    def add(self, request: Request) -> Response:
        try:
            fault = Fault(**body_of(request))
        except (TypeError, ValueError) as error:
            raise Problem(422, str(error)) from error
        self.account.fault(fault)
        return reply(dataclasses.asdict(fault), 201)

    def list(self, request: Request) -> Response:
        active = [dataclasses.asdict(fault) for fault in self.account.faults.active]
        return reply({"faults": active, "kinds": KINDS})

    def clear(self, request: Request) -> Response:
        self.account.faults.clear(request.args.get("kind"))
        self.account.advance()
        return Response(status=204)

    def skip(self, request: Request) -> Response:
        self.account.clock.skip(float(body_of(request)["seconds"]))
        self.account.advance()
        return reply({"now": self.account.now})

    def state(self, request: Request) -> Response:
        account = self.account
        endpoints = [
            {
                "id": endpoint.id,
                "settings": endpoint.settings,
                "version": endpoint.version,
                "workers": [worker.view(account.now, endpoint.version, None) for worker in endpoint.workers],
                "jobs": [job.view() for job in endpoint.jobs.values()],
                "billedSeconds": account.meter.seconds[endpoint.id],
            }
            for endpoint in account.endpoints.values()
        ]
        totals = {"billedSeconds": sum(account.meter.seconds.values()), "cost": account.meter.cost()}
        kept = {"violations": account.violations, "requests": account.requests}
        return reply({"now": account.now, "endpoints": endpoints, **totals, **kept})
