"""A whole Cloud Wiki that faults may break: PostgreSQL, Valkey, Celery workers and beat, each a process of its own."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import redis

from cloudwiki.embedded import Servers
from cloudwiki.embedded.process import end_with_parent

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds after which a thing that should have come counts as lost


def until[T](condition: Callable[[], T], seconds: float = PATIENCE, what: str = "") -> T:
    """The first true answer of `condition`. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain for {what or condition}")
        time.sleep(0.02)
    return found


class Program:
    """`python -m cloudwiki VERB` in a session of its own. Its output goes to a file."""

    def __init__(self, verb: str, environment: dict[str, str], log: Path) -> None:
        self.verb, self.environment, self.log = verb, environment, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        """Start it; `more` are variables of this start alone."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cloudwiki", self.verb],
                cwd=ROOT,
                env=self.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )

    def family(self) -> list[psutil.Process]:
        """The process and those it forked."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.process.pid)
            return [main, *main.children(recursive=True)]
        return []

    def kill(self) -> None:
        """End it with all it forked, at once, as a machine does that loses its power."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.process is not None:
            self.process.wait()

    def stop(self) -> float:
        """Ask it to end, as an upgrade does; returns the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        finally:
            self.kill()
        return time.monotonic() - began


class Rig:
    """All of it. `workers`: how many deployments it can drive at once; eight runs may need two each."""

    def __init__(self, workers: int = 18) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cwf-", dir="/tmp"))  # sockets want short paths
        self.folder.chmod(0o711)
        self.data = self.folder / "data"
        self.data.mkdir()
        self.servers = Servers(self.data)
        self.environment: dict[str, str] = {}
        self.workers = workers
        self.programs: dict[str, Program] = {}
        self._closing: list[Callable[[], object]] = []

    def __enter__(self) -> "Rig":
        try:
            return self._up()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _up(self) -> "Rig":
        self.servers.start()
        ours = {"CLOUDWIKI_DATA": str(self.data), "DJANGO_SETTINGS_MODULE": "cloudwiki.settings"}
        inherited = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        more = {"CLOUDWIKI_WORKERS": str(self.workers), "CLOUDWIKI_FAULT_POINTS": "1", "PYTHONUNBUFFERED": "1"}
        self.environment = inherited | ours | more
        self._set_up_django(ours)
        for verb in ("worker", "beat"):
            self.program(verb).start()
        return self

    def _set_up_django(self, ours: dict[str, str]) -> None:
        """This process speaks to the same database; no fault point is armed in it."""
        for name in ("DATABASE_URL", "REDIS_URL"):
            os.environ.pop(name, None)
        os.environ |= ours
        from cloudwiki.processes import migrate
        from tests.faults import observer

        with contextlib.redirect_stdout(io.StringIO()):
            migrate()
        observer.install()

    def program(self, verb: str, name: str = "") -> Program:
        """One of our processes, made when first asked for; several of a verb have names."""
        name = name or verb
        if name not in self.programs:
            self.programs[name] = Program(verb, self.environment, self.folder / f"{name}.log")
        return self.programs[name]

    @property
    def worker(self) -> Program:
        """The first worker."""
        return self.program("worker")

    @property
    def postgres(self) -> Any:
        """The PostgreSQL server: `start`, `stop`, `process`."""
        return next(member for member in self.servers.members if member.name == "postgres")

    @property
    def valkey(self) -> Any:
        """The Valkey server: `start`, `stop`, `process`."""
        return next(member for member in self.servers.members if member.name == "valkey")

    def redis(self) -> "redis.Redis":
        """A connection to Valkey."""
        from django.conf import settings

        return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5)

    def until_working(self, worker: Program) -> None:
        """Wait until the worker takes messages."""
        until(lambda: b" ready" in worker.log.read_bytes(), 90, "a worker to be ready")

    def order(self, subject: int, point: str, what: str = "kill") -> Path:
        """Have a worker do `what` when the deployment reaches the point; returns the file that is taken then."""
        folder = self.data / "faults"
        (folder / "taken").mkdir(parents=True, exist_ok=True)
        written = folder / f"new.{subject}.{point}"
        written.write_text(what)
        return written.rename(folder / f"{subject}.{point}")

    def obeyed(self, subject: int, point: str) -> Path | None:
        """The file of an order that was taken, named for the process: "SUBJECT.POINT.PID"."""
        return next((self.data / "faults" / "taken").glob(f"{subject}.{point}.*"), None)

    def at_close(self, act: Callable[[], object]) -> None:
        """Do this, too, when the rig is taken down."""
        self._closing.append(act)

    def close(self) -> None:
        """Take all of it down and remove its folder."""
        for act in reversed(self._closing):
            with contextlib.suppress(Exception):
                act()
        for program in self.programs.values():
            if program.process is not None:
                program.kill()
        self.servers.stop()
        for link in self.folder.glob("*/run"):
            if link.is_symlink():
                shutil.rmtree(link.readlink(), ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
