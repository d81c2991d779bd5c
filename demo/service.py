"""The demo's two services, started and stopped for real: `service start|stop|restart|status|logs|halt NAME`.

Stands alone (standard library only), because it runs on the demo host as a program there. A service holds a lock
on its pid file for as long as it lives, so that a pid that was given to another process is never believed.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

if __name__ == "__main__":  # run by its path, with the standard library alone on the search path
    sys.path.append(str(Path(__file__).resolve().parent.parent))
from demo import ai

WARM_UP = 0.7  # seconds a service takes before it listens, as a real one would
START_SECONDS = 15.0
STOP_SECONDS = 5.0
NAMES = ("backend", "frontend")


class Service:
    """One service of the host whose home is `home`."""

    def __init__(self, home: Path, name: str) -> None:
        settings = json.loads((home / "etc" / "services.json").read_text())[name]
        self.name = name
        self.address = str(settings.get("address", "127.0.0.1"))
        self.port = int(settings["port"])
        self.folder = home / "app" / name
        self.log = self.folder / "logs" / "app.log"
        self.pid_file = home / "run" / f"{name}.pid"
        self.stopped = home / "run" / f"{name}.stopped"
        self.program = Path(__file__).resolve()
        self.home = home

    def version(self) -> str:
        """The version that the uploaded files hold. Raises SystemExit when they are missing or damaged."""
        try:
            if self.name == "backend":
                with zipfile.ZipFile(self.folder / "app.jar") as jar:
                    return jar.read("META-INF/version").decode().strip()
            return (self.folder / ".next" / "BUILD_ID").read_text().strip()
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise SystemExit(f"{self.name} cannot start: its files are missing or damaged ({error})") from error

    def pid(self) -> int | None:
        """The process that runs it, or None."""
        try:
            with self.pid_file.open() as file:
                if not _is_locked(file.fileno()):
                    return None
                return int(file.read() or 0) or None
        except FileNotFoundError:
            return None

    def start(self) -> None:
        """Start it and return once it listens."""
        self.stopped.unlink(missing_ok=True)
        if self.pid():
            print(f"{self.name} is already running")
            return
        version = self.version()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(self.program), str(self.home), "run", self.name],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        if not _until(START_SECONDS, lambda: child.poll() is not None or self._is_ready(child.pid)):
            child.kill()
            sys.exit(f"{self.name} did not listen on port {self.port} within {START_SECONDS:g} s")
        if child.poll() is not None:
            sys.exit(f"{self.name} ended at once; see {self.log}")
        print(f"started {self.name} {version} on port {self.port}")

    def _is_ready(self, pid: int) -> bool:
        return self.pid() == pid and (self.home / "run" / f"{self.name}.ready").exists()

    def stop(self, *, stay: bool = True) -> None:
        """Stop it and return once it is gone. `stay`: it stays stopped when the host starts again."""
        if stay:
            self.stopped.touch()
        pid = self.pid()
        if pid is None:
            print(f"{self.name} is not running")
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            _signal(pid, number)
            if _until(STOP_SECONDS, lambda: self.pid() is None):
                print(f"stopped {self.name}")
                return
        sys.exit(f"{self.name} (process {pid}) does not end")

    def restart(self) -> None:
        """Stop it, then start it."""
        self.stop()
        self.start()

    def status(self) -> None:
        """Say whether it runs; exit code 3 when it does not, as systemctl has it."""
        pid = self.pid()
        print(f"{self.name}: {'active' if pid else 'inactive'}")
        sys.exit(0 if pid else 3)

    def follow(self) -> NoReturn:
        """Print the end of its log and what follows."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        os.execvp("tail", ["tail", "-n", "10", "-f", str(self.log)])  # noqa: S606

    def run(self) -> None:
        """Be the service until SIGTERM."""
        with self.pid_file.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            signal.signal(signal.SIGTERM, _end)
            self._serve()

    def _serve(self) -> None:
        ready = self.home / "run" / f"{self.name}.ready"
        ready.unlink(missing_ok=True)
        version = self.version()
        _say(f"Starting {self.name} {version}")
        # Read once, here: a switch to another endpoint takes a restart.
        chat = ai.Chat(ai.settings(self.home / "etc" / ai.FILE)) if self.name == "backend" else None
        if chat:
            _say(chat.about())
        time.sleep(WARM_UP)
        try:
            with _Server((self.address, self.port), _page(self.name, version, chat)) as server:
                ready.touch()
                _say(f"Started {self.name} {version} on port {self.port} in {WARM_UP:g} seconds")
                server.serve_forever()
        except OSError as error:
            sys.exit(f"port {self.port}: {error}")
        except _Ended:
            _say(f"Stopped {self.name} {version}")
        finally:
            ready.unlink(missing_ok=True)


class _Ended(Exception):
    pass


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def _page(name: str, version: str, chat: ai.Chat | None) -> type[BaseHTTPRequestHandler]:
    health = json.dumps({"status": "UP", "service": name, "version": version}).encode()
    html = f"<!doctype html><title>{name}</title><h1>{name} {version}</h1><p>demo service</p>\n".encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages = {"/health": ("application/json", health), "/": ("text/html; charset=utf-8", html)}
            kind, body = pages.get(self.path.partition("?")[0], ("text/plain", b"not found\n"))
            self._send(404 if body == b"not found\n" else 200, kind, body)

        def do_POST(self) -> None:
            status, said = 404, {"error": "not found"}
            if chat and self.path.partition("?")[0] == ai.ROUTE:
                status, said = chat.respond(self.headers.get("Content-Length", ""), self.rfile)
            if status >= 500:
                _say(said["error"])
            self._send(status, "application/json", json.dumps(said, ensure_ascii=False).encode(errors="replace"))

        def _send(self, status: int, kind: str, body: bytes) -> None:
            with suppress(ConnectionError):  # the client did not wait for it
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 its name in the library
            if self.path != "/health":
                _say(format % arguments)

    return Page


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} INFO {text}", flush=True)


def _end(_number: int, _frame: object) -> None:
    raise _Ended


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _until(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _proxy(home: Path, verb: str) -> None:
    """`check` and `reload` of the simulated nginx: its configuration must have a `}` for each `{`."""
    configuration = home / "etc" / "nginx.conf"
    text = configuration.read_text()
    if text.count("{") != text.count("}"):
        sys.exit(f"nginx: [emerg] unexpected end of file in {configuration} (simulated)")
    words = {"check": "syntax is ok", "reload": "signal process started"}
    print(f"nginx: {configuration} {words[verb]} (simulated)")


def main(arguments: list[str]) -> None:
    """`HOME VERB NAME`; exits with a message when the verb or the name is unknown."""
    if len(arguments) != 3:
        arguments = ["", "", ""]
    home, verb, name = Path(arguments[0]), arguments[1], arguments[2]
    if name == "proxy" and verb in {"check", "reload"}:
        return _proxy(home, verb)
    if name not in NAMES:
        sys.exit("usage: service start|stop|restart|status|logs backend|frontend, or service check|reload proxy")
    service = Service(home, name)
    verbs: dict[str, Callable[[], None]] = {
        "start": service.start,
        "stop": service.stop,
        "restart": service.restart,
        "halt": lambda: service.stop(stay=False),
        "boot": lambda: None if service.stopped.exists() else service.start(),
        "status": service.status,
        "logs": service.follow,
        "run": service.run,
    }
    if verb not in verbs:
        sys.exit(f"service does not know {verb!r}")
    return verbs[verb]()


if __name__ == "__main__":
    main(sys.argv[1:])
