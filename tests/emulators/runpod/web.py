"""What the ports have in common: the key, problems, faults that strike a request, and the search for a handler."""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.wrappers import Request, Response

from .account import Account

HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
TITLES = {422: "Unprocessable Entity"}  # Python has a newer name for it
PATIENCE = 120.0  # real s for which a reply is held back at most
REMEMBERED = 100_000  # requests whose lines are kept
POLICY = '"minute";q=60;w=60, "hour";q=3000;w=3600, "day";q=50000;w=86400'
LEFT = '"minute";r=59;t=60, "hour";r=2999;t=3600, "day";r=49999;t=86400'


class Problem(Exception):
    """The reply is an error as of RFC 9457."""

    def __init__(self, status: int, detail: str, errors: Iterable[str] = ()) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)

    def response(self) -> Response:
        body: dict[str, Any] = {
            "title": TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return Response(json.dumps(body), status=self.status, content_type="application/problem+json")


def reply(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, content_type="application/json")


def body_of(request: Request) -> Any:
    """The JSON of a request; Problem 400 if it is none."""
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        raise Problem(400, "the body is not valid JSON") from error


class Plane:
    """A WSGI application. Subclasses give `name`, `routes` and `call`."""

    name: str
    routes: Map

    def __init__(self, account: Account, key: str) -> None:
        self.account = account
        self.key = key

    def call(self, operation: str, request: Request, arguments: Mapping[str, Any]) -> Response:
        raise NotImplementedError

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        request.get_data()  # a connection that is closed with a part unread takes the reply with it
        line = f"{request.method} {request.path}"
        with self.account.lock:
            self.account.requests.append(line)
            del self.account.requests[:-REMEMBERED]
        response = self._respond(request, line)
        with self.account.lock:
            faults = self.account.faults
            if held := faults.strike("no_reply", self.name, line):
                self.account.lock.wait_for(lambda: not self.account.open, PATIENCE)
            if held or faults.strike("lost_reply", self.name, line):
                raise ConnectionResetError("the reply is lost, as a fault wants it")
        return response(environ, start_response)

    def _respond(self, request: Request, line: str) -> Response:
        operation = ""
        try:
            if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
                given = "Authorization" in request.headers
                raise Problem(401, "invalid bearer token" if given else "missing bearer token")
            operation, arguments = self.routes.bind_to_environ(request.environ).match()
            response = self._struck(line) or self.call(operation, request, arguments)
        except Problem as problem:
            response = problem.response()
        except HTTPException as error:
            response = Problem(error.code or 500, error.description or "").response()
        if response.status_code != 401:
            response.headers.setdefault("RateLimit", LEFT)
            response.headers.setdefault("RateLimit-Policy", POLICY)
        return self.checked(operation, response)

    def checked(self, operation: str, response: Response) -> Response:
        """A place to look at what goes out."""
        return response

    def _struck(self, line: str) -> Response | None:
        """The reply of a fault that hits this request before anything is done."""
        faults = self.account.faults
        with self.account.lock:
            if fault := faults.strike("rate_limit", self.name, line):
                response = Problem(429, "rate limit exceeded for the minute window").response()
                response.headers["Retry-After"] = str(fault.retry_after)
                return response
            if fault := faults.strike("server_error", self.name, line):
                if fault.status < 502:
                    return Problem(fault.status, "internal error").response()
                page = HTML.format(f"{fault.status} {HTTPStatus(fault.status).phrase}")
                return Response(page, status=fault.status, content_type="text/html")
        return None


class Backstage(Plane):
    """What users of the API do not see: no faults strike it, it leaves no trace in the list of requests."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        request.get_data()
        return self._respond(request, "")(environ, start_response)

    def _struck(self, line: str) -> Response | None:
        return None
