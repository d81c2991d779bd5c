"""The emulator as a whole: one account behind its ports on loopback, and a clock that ticks."""

import secrets
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .account import Account
from .admin import Admin
from .clock import Clock
from .container import Containers
from .control import Control
from .data import Data
from .endpoint import Endpoint
from .faults import Fault
from .jobs import Job
from .scheduler import Durations
from .state import StateFile
from .worker_port import WorkerPort
from .workers import Worker

TICK = 0.02  # real seconds
KEEP = 1.0  # real seconds after which the bill is kept, if it has grown


class RunPod:
    """RunPod Serverless until `stop`, or as a context manager, which also fails if a reply broke the description.

    `speed`: simulated seconds in a real one, 50 unless given; with 0 time stands still but for `skip`. `pull`, `start`
    and `answer`: simulated seconds for a worker's image, its start and each job. `quota`: of workers.max over all
    endpoints. `sdk_workers`: real processes with the `runpod` SDK do the jobs. What they do lasts as long as it lasts,
    so `speed` is 1 unless given, a start takes 2 s more or so, and `answer` says nothing.
    `state`: a file from which endpoints and the bill are taken up, and in which they are kept. `tick`: real seconds.
    """

    def __init__(
        self,
        speed: float | None = None,
        *,
        quota: int = 5,
        pull: float = 2.0,
        start: float = 8.0,
        answer: float = 1.0,
        key: str | None = None,
        ports: tuple[int, int, int] = (0, 0, 0),
        state: Path | None = None,
        tick: float = TICK,
        sdk_workers: bool = False,
    ) -> None:
        if sdk_workers and speed is not None and speed <= 0:
            raise ValueError("processes live in a time that passes: speed must be above 0")
        clock = Clock((1.0 if sdk_workers else 50.0) if speed is None else speed)
        self._containers = Containers() if sdk_workers else None
        self.key = key or "rpa_" + secrets.token_hex(12)
        self.account = Account(clock, Durations(pull, start, answer), quota, self._containers)
        self._state = StateFile(state, self.account) if state else None
        control, data = Control(self.account, self.key), Data(self.account, self.key)
        planes = (control, data, Admin(self.account))
        self._servers = [_server(port, each) for port, each in zip(ports, planes, strict=True)]
        addresses = [f"http://127.0.0.1:{server.port}" for server in self._servers]
        self.control_url, self.data_url = f"{addresses[0]}/v2", f"{addresses[1]}/v2"
        self.admin_url = addresses[2]
        control.data_url = self.data_url
        if self._containers:
            self._servers.append(_server(0, WorkerPort(self.account)))
            self._containers.url = f"http://127.0.0.1:{self._servers[-1].port}"
        if self._state:
            self._state.load()
            self.account.keep = self._state.save
        self._threads = [threading.Thread(target=each.serve_forever, args=(tick,)) for each in self._servers]
        self._threads.append(threading.Thread(target=self._tick, args=(tick,)))
        self._stopping = threading.Event()
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def stop(self) -> None:
        """The ports refuse connections from now on; whoever waits for a reply gets it at once."""
        self._stopping.set()
        with self.account.lock:
            self.account.advance()
            self.account.open = False
            self.account.lock.notify_all()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        if self._containers:
            self._containers.close()
        if self._state:
            with self.account.lock:
                self._state.save()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        assert error or not self.violations, "\n".join(self.violations)

    # What there is

    @property
    def endpoints(self) -> list[Endpoint]:
        with self.account.lock:
            self.account.advance()
            return list(self.account.endpoints.values())

    def endpoint(self, name: str) -> Endpoint:
        """The first with this id or name. Raises StopIteration if there is none."""
        return next(endpoint for endpoint in self.endpoints if name in (endpoint.id, endpoint.settings["name"]))

    @property
    def workers(self) -> list[Worker]:
        return [worker for endpoint in self.endpoints for worker in endpoint.workers]

    @property
    def jobs(self) -> list[Job]:
        return [job for endpoint in self.endpoints for job in list(endpoint.jobs.values())]

    @property
    def billed_seconds(self) -> float:
        """Simulated seconds of workers that are billed so far, of deleted endpoints too."""
        with self.account.lock:
            self.account.advance()
            return sum(self.account.meter.seconds.values())

    def billed_of(self, endpoint: str) -> float:
        """The same of one endpoint, by its id."""
        with self.account.lock:
            self.account.advance()
            return self.account.meter.seconds[endpoint]

    @property
    def cost(self) -> float:
        """USD so far."""
        with self.account.lock:
            self.account.advance()
            return self.account.meter.cost()

    @property
    def violations(self) -> list[str]:
        return self.account.violations

    @property
    def requests(self) -> list[str]:
        """Every request so far, as "METHOD /path"."""
        return self.account.requests

    # What happens

    def fault(self, kind: str, **settings: Any) -> Fault:
        """Make something go wrong: `faults.KINDS` says what there is, `faults.Fault` what can be set."""
        fault = Fault(kind, **settings)
        with self.account.lock:
            self.account.advance()
            self.account.fault(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        """No more faults, or none of this kind."""
        with self.account.lock:
            self.account.advance()
            self.account.faults.clear(kind)
            self.account.advance()

    def skip(self, seconds: float) -> None:
        """Let simulated seconds pass at once."""
        with self.account.lock:
            self.account.clock.skip(seconds)
            self.account.advance()

    def _tick(self, seconds: float) -> None:
        due = 0.0
        while not self._stopping.wait(seconds):
            with self.account.lock:
                self.account.advance()
                if self._state and time.monotonic() >= due:
                    self._state.save()
                    due = time.monotonic() + KEEP


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"  # a connection for each request: none outlives the server, or a lost reply

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


def _server(port: int, application: Any) -> BaseWSGIServer:
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=_Quiet)
