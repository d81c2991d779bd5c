"""`python -m cloudwiki demo-gpu`: the demo's provider of graphics cards, from its start to SIGTERM.

It is the emulator of RunPod that the tests use, so an image for production, which has no tests, has none.
"""

import fcntl
import json
import secrets
import signal
import sys
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from cloudwiki.embedded import data_folder
from demo import ai, machine
from demo.ports import free_port, is_free, is_held

EMULATOR = "tests.emulators.runpod"
LOOPBACK = "127.0.0.1"
ENDS = {signal.SIGTERM, signal.SIGINT}
# Simulated seconds are real ones, so that the bill, Cloud Wiki's own estimate and the dates of both agree. Only a
# worker starts sooner than a real one: 6.5 s, of which 5 s are billed. One that was asked once costs a cent.
SPEED, PULL, START, ANSWER = 1.0, 1.5, 5.0, 0.3
TICK = 0.1  # real seconds; the tests' own tick keeps a processor busy for nothing


@dataclass(frozen=True)
class Place:
    """Where the emulator is, whether it runs or not, and the key of its one account."""

    control_url: str
    data_url: str
    admin_url: str
    key: str = field(repr=False)

    @property
    def ports(self) -> tuple[int, int, int]:
        """For managing, for requests to models, and for faults. Raises ValueError if an address has none."""
        control, data, admin = (urlsplit(url).port or 0 for url in (self.control_url, self.data_url, self.admin_url))
        if not (control and data and admin):
            raise ValueError("an address without a port")
        return control, data, admin


def is_there() -> bool:
    """Whether the emulator can be started: an image for production has none."""
    try:
        return find_spec(EMULATOR) is not None
    except ImportError:
        return False


def place(data: Path) -> Place:
    """Where the emulator of this data folder is: decided at the first call, before it runs, and kept.

    A port that another program has taken meanwhile is replaced; the demo's backends are told.
    """
    old = _read(data)
    if old and is_held(_lock(data)):
        return old
    ports: list[int] = []
    for known in old.ports if old else (0, 0, 0):
        taken = {*ports, *(old.ports if old else ())}
        ports.append(known if known and is_free(LOOPBACK, known) else free_port(LOOPBACK, taken))
    control, answers, admin = (f"http://{LOOPBACK}:{port}" for port in ports)
    new = Place(f"{control}/v2", f"{answers}/v2", admin, old.key if old else "rpa_" + secrets.token_hex(16))
    if new != old:
        _lock(data).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        machine.write(_file(data), json.dumps(asdict(new), indent=2) + "\n", 0o600)
        if old:
            _tell_backends(data, old.data_url, new.data_url)
    return new


def _file(data: Path) -> Path:
    return data / "demo" / "gpu.json"


def _lock(data: Path) -> Path:
    """Held by the emulator for as long as it runs."""
    return data / "demo" / "gpu.lock"


def _read(data: Path) -> Place | None:
    try:
        found = Place(**json.loads(_file(data).read_text()))
        return found if found.key and found.ports else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _tell_backends(data: Path, old: str, new: str) -> None:
    """They read their environment file at their next start, which follows: the host starts after the set-up."""
    host = machine.read(data)
    for site in host.sites.values() if host else ():
        file = site.folder / "etc" / ai.FILE
        if file.is_file() and f"{old}/" in (text := file.read_text()):
            machine.write(file, text.replace(f"{old}/", f"{new}/"), 0o600)


def main() -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    data = data_folder()
    try:
        emulator = import_module(EMULATOR)
    except ImportError as reason:
        _hold_signals()
        say(f"there is no emulator of RunPod here ({reason}); nothing is started")
        _wait()
        return 0
    _lock(data).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(data).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("the emulator of this data folder runs already")
            return 1
        # With the lock in our hands the ports stay as they are: rows of the database name them.
        here = place(data)
        for port in here.ports:
            if not is_free(LOOPBACK, port):
                say(f"another program has port {port}; the next `make up` or `manage.py load_demo` chooses another")
                return 1
        _hold_signals()  # before there are threads: they inherit it
        state = data / "demo" / "gpu-state.json"
        times = {"pull": PULL, "start": START, "answer": ANSWER, "tick": TICK}
        runpod = emulator.RunPod(SPEED, **times, key=here.key, ports=here.ports, state=state)
        say(f"listens on {here.control_url} and {here.data_url} (emulator of RunPod; faults: {here.admin_url})")
        _wait()
        runpod.stop()
    return 0


def _hold_signals() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)


def _wait() -> None:
    signal.sigwait(ENDS)


def say(text: str) -> None:
    """One line of our log."""
    print(f"demo gpu: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
