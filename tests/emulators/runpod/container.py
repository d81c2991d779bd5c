"""The containers of workers, as far as a test needs them: a process group with a log of its own."""

import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from .endpoint import Endpoint
from .workers import Worker

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-u", "-m", "tests.emulators.runpod.sdk_worker")
GRACE = 1.0  # real seconds from SIGTERM to SIGKILL
CRASHES = "EMULATOR_CRASHES"  # its start fails


class Container:
    """One process of a worker and what that starts. `key` is what it proves itself with, `stops` the jobs to give up.

    It ends with us, however we end: it holds a pipe of ours and ends when that breaks.
    """

    def __init__(self, env: Mapping[str, str], key: str) -> None:
        self.key = key
        self.stops: list[str] = []
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._guard = threading.Lock()  # nobody signals a group that another thread has just reaped
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout:
            for line in self._process.stdout:
                self.lines.put(line.rstrip("\n"))

    @property
    def exit_code(self) -> int | None:
        """Of the process that is over, once its log is whole; what it has left running is ended."""
        with self._guard:
            if self._process.returncode is None:
                if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    return None
                self._end()
        return None if self._reader.is_alive() else self._process.returncode

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after the grace, as a container engine does."""
        with self._guard:
            if self._process.returncode is None:
                os.kill(self.pid, signal.SIGTERM)
        timer = threading.Timer(GRACE, self.kill)
        timer.daemon = True
        timer.start()

    def kill(self) -> None:
        """It is gone when this returns."""
        with self._guard:
            if self._process.returncode is None:
                self._end()
        self._reader.join(GRACE)

    def _end(self) -> None:
        """All of the group, while the number is still its own: before its first process is waited for."""
        assert self._process.stdin
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()


class Containers:
    """Every container there is, also those that are being stopped. `url`: where they ask for jobs."""

    def __init__(self) -> None:
        self.url = ""
        self._all: list[Container] = []

    def start(self, endpoint: Endpoint, worker: Worker, crashes: bool) -> Container:
        key = "rpa_" + secrets.token_hex(12)
        env = {**endpoint.env, **self._platform(endpoint, worker), "RUNPOD_AI_API_KEY": key}
        container = Container({**env, CRASHES: "1"} if crashes else env, key)
        self._all = [each for each in self._all if each.exit_code is None] + [container]
        return container

    def _platform(self, endpoint: Endpoint, worker: Worker) -> dict[str, str]:
        """What the platform puts into a container. The SDK adds to the addresses' queries, so they need one.

        There is no HOME: a key that a developer's own SDK keeps there would go before that of the environment.
        """
        base, card = f"{self.url}/v2/{endpoint.id}", quote(worker.gpu_type or "")
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "RUNPOD_ENDPOINT_ID": endpoint.id,
            "RUNPOD_POD_ID": worker.id,
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu={card}",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu={card}",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu={card}",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID",
            "RUNPOD_PING_INTERVAL": "1000",  # ms; 10 s without it
            "RUNPOD_LOG_LEVEL": "INFO",
            # They look at the machine's memory, disk, network and cards, which are not those of a worker.
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
        }

    def close(self) -> None:
        for container in self._all:
            container.kill()
