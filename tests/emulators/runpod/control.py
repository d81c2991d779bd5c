"""The control port: REST v2, as https://api.runpod.io/v2."""

import json
from collections.abc import Mapping
from typing import Any

from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from . import billing, catalog, contract, logs, rules
from .account import Account
from .endpoint import Endpoint
from .web import Plane, Problem, body_of, reply

QUERY_NEEDS_AVAILABILITY = {"product", "count", "cloud", "countryCodes", "cudaVersions", "minCudaVersion"}
QUEUE_URLS = {
    "run": "run",
    "runSync": "runsync",
    "status": "status/{job_id}",
    "stream": "stream/{job_id}",
    "cancel": "cancel/{job_id}",
    "retry": "retry/{job_id}",
    "purgeQueue": "purge-queue",
    "health": "health",
}


class Control(Plane):
    """Each method named after an operation of the description answers it; requests and replies are checked by it."""

    name = "control"
    routes = Map(
        [
            Rule(path.replace("{", "<").replace("}", ">"), methods=[method], endpoint=operation["operationId"])
            for method, path, operation in contract.operations()
        ]
    )

    def __init__(self, account: Account, key: str) -> None:
        super().__init__(account, key)
        self.data_url = ""

    def call(self, operation: str, request: Request, arguments: Mapping[str, Any]) -> Response:
        query, errors = contract.query(operation, request.args)
        if request.method in {"POST", "PATCH"}:
            body = body_of(request)
            errors += contract.body_errors(operation, body)
            arguments = {**arguments, "body": body}
        if errors:
            raise Problem(422, "Request validation failed.", errors)
        with self.account.lock:
            self.account.advance()
            if operation == "getWorkerLogs":
                return self._logs(request, query, arguments["id"], arguments["workerId"])
            if "id" in arguments and operation != "getGpuType":
                arguments = {**arguments, "id": self._endpoint(arguments["id"])}
            try:
                response: Response = getattr(self, operation)(query, *arguments.values())
            except rules.RuleBroken as broken:
                raise Problem(400, str(broken)) from broken
        return response

    def checked(self, operation: str, response: Response) -> Response:
        """What breaks the description is kept in `violations`, and told with 500. HTML is a fault on purpose."""
        kind = response.mimetype or ""
        if not operation or response.is_streamed or kind == "text/html":
            return response
        text = response.get_data(as_text=True)
        body = json.loads(text) if kind.endswith("json") and text else text
        errors = contract.response_errors(operation, response.status_code, kind, body)
        if not errors:
            return response
        self.account.violations += [f"{operation} {response.status_code}: {error}" for error in errors]
        return Problem(500, "the emulator broke the description of the API", errors).response()

    # Endpoints

    def listEndpoints(self, query: dict[str, Any]) -> Response:  # noqa: N802
        return reply({"endpoints": [self._view(endpoint) for endpoint in self.account.endpoints.values()]})

    def createEndpoint(self, query: dict[str, Any], body: dict[str, Any]) -> Response:  # noqa: N802
        _refuse_template(body)
        settings = rules.created(body)
        self._check_quota(settings, None)
        return reply(self._view(self.account.create(settings)), 201)

    def getEndpoint(self, query: dict[str, Any], endpoint: Endpoint) -> Response:  # noqa: N802
        return reply(self._view(endpoint))

    def updateEndpoint(self, query: dict[str, Any], endpoint: Endpoint, body: dict[str, Any]) -> Response:  # noqa: N802
        _refuse_template(body)
        settings = rules.changed(endpoint.settings, body)
        self._check_quota(settings, endpoint)
        self.account.change(endpoint, settings)
        return reply(self._view(endpoint))

    def deleteEndpoint(self, query: dict[str, Any], endpoint: Endpoint) -> Response:  # noqa: N802
        self.account.delete(endpoint)
        return Response(status=204)

    def listEndpointWorkers(self, query: dict[str, Any], endpoint: Endpoint) -> Response:  # noqa: N802
        now, text = self.account.now, self.account.clock.text
        workers = [
            worker.view(now, endpoint.version, None if worker.started is None else text(worker.started))
            for worker in endpoint.workers
        ]
        return reply({"workers": workers, "summary": endpoint.summary(), "endpointVersion": endpoint.version})

    def listEndpointReleases(self, query: dict[str, Any], endpoint: Endpoint) -> Response:  # noqa: N802
        releases = [
            {
                "id": release.id,
                "version": release.version,
                "source": "MANUAL",
                "buildId": None,
                "createdByUserId": "user_emulated",
                "workerCount": sum(worker.version == release.version for worker in endpoint.workers),
                "createdAt": self.account.clock.text(release.at),
                "diff": release.diff,
            }
            for release in endpoint.releases
        ]
        return reply({"endpointVersion": endpoint.version, "rollout": endpoint.rollout(), "releases": releases})

    def _logs(self, request: Request, query: dict[str, Any], identifier: str, worker_id: str) -> Response:
        worker = self._endpoint(identifier).worker(worker_id)
        if worker is None:
            raise Problem(404, "worker not found")
        return logs.stream(self.account, identifier, worker, query, request.headers.get("Last-Event-ID"))

    # Catalogue and bill

    def listGpuTypes(self, query: dict[str, Any]) -> Response:  # noqa: N802
        return reply({"gpus": self._gpu_types(query)})

    def getGpuType(self, query: dict[str, Any], identifier: str) -> Response:  # noqa: N802
        for gpu in self._gpu_types(query):
            if gpu["id"] == identifier:
                return reply(gpu)
        raise Problem(404, "GPU type not found")

    def listServerlessBilling(self, query: dict[str, Any]) -> Response:  # noqa: N802
        if "lastN" in query and {"startTime", "endTime"} & query.keys():
            raise Problem(400, "lastN and startTime/endTime are mutually exclusive")
        size, owner = query.get("bucketSize", "day"), query.get("serverlessId")
        start, end = billing.window(self.account.clock.date(self.account.now), query)
        records = self.account.meter.records(start, end, size, owner)
        times = {"startTime": billing.text(start), "endTime": billing.text(end)}
        metadata = {
            "query": {**times, "bucketSize": size, "serverlessId": owner},
            "recordCount": len(records),
            "uniqueServerlessCount": len({record["serverlessId"] for record in records}),
            "totals": {name: sum(record[name] for record in records) for name in billing.NOTHING},
        }
        return reply({"records": records, "metadata": metadata})

    def _gpu_types(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        with_availability = "include" in query
        if not with_availability and (wrong := QUERY_NEEDS_AVAILABILITY & query.keys()):
            raise Problem(400, f"{', '.join(sorted(wrong))}: valid only with include=AVAILABILITY")
        if with_availability and "product" not in query:
            raise Problem(400, "product is required with include=AVAILABILITY")
        empty = self.account.faults.of("no_capacity", set()) is not None
        return catalog.gpu_types(with_availability, empty)

    def _endpoint(self, identifier: str) -> Endpoint:
        if endpoint := self.account.endpoints.get(identifier):
            return endpoint
        raise Problem(404, "endpoint not found")

    def _check_quota(self, settings: dict[str, Any], changed: Endpoint | None) -> None:
        others = (each for each in self.account.endpoints.values() if each is not changed)
        used = settings["workers"]["max"] + sum(each.settings["workers"]["max"] for each in others)
        # A change that lowers workers.max must pass, however much the others have.
        grows = changed is None or settings["workers"]["max"] > changed.settings["workers"]["max"]
        if grows and (error := rules.quota_error(used, self.account.quota)):
            raise Problem(400, error)

    def _view(self, endpoint: Endpoint) -> dict[str, Any]:
        base = f"{self.data_url}/{endpoint.id}"
        if endpoint.settings["type"] == "QUEUE":
            urls = {name: f"{base}/{path}" for name, path in QUEUE_URLS.items()}
        else:
            urls = {"base": base, "health": f"{base}{endpoint.env.get('HEALTH_CHECK_PATH', '/ping')}"}
        created = self.account.clock.text(endpoint.created)
        return {"id": endpoint.id, **endpoint.settings, "requestUrls": urls, "createdAt": created}


def _refuse_template(body: dict[str, Any]) -> None:
    """There are no templates here."""
    if "templateId" in body:
        raise Problem(404, "template not found")
