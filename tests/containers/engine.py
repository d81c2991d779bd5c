"""Podman with storage, networks and settings of this checkout alone: nothing of the machine's own is touched."""

import contextlib
import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "test-containers"
# Short and emptied by a reboot, as podman expects of the folder of what runs now.
RUNNING = Path("/run") / f"cwc-{hashlib.sha256(os.fsencode(CACHE)).hexdigest()[:8]}"
SUBNETS = "10.213.0.0/16"  # each network gets a part of it

CONTAINERS = """
[containers]
default_ulimits = ["nofile=4096:20000", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{running}/engine"
[network]
network_backend = "netavark"
network_config_dir = "{cache}/networks"
default_subnet = "10.212.255.0/24"
default_subnet_pools = [{{"base" = "{subnets}", "size" = 24}}]
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{cache}/storage"
runroot = "{running}/storage"
"""
REGISTRIES = "unqualified-search-registries = []\n"  # what is not here is not fetched


class CommandFailed(Exception):
    """A command and the end of what it said."""


def environment() -> dict[str, str]:
    """The environment in which podman and podman-compose find our settings; writes those."""
    CACHE.mkdir(parents=True, exist_ok=True)
    RUNNING.mkdir(mode=0o700, exist_ok=True)
    files = {"containers": CONTAINERS, "storage": STORAGE, "registries": REGISTRIES}
    for name, text in files.items():
        _write(CACHE / f"{name}.conf", text.format(cache=CACHE, running=RUNNING, subnets=SUBNETS))
    return os.environ | {
        "CONTAINERS_CONF": str(CACHE / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(CACHE / "storage.conf"),
        "CONTAINERS_REGISTRIES_CONF": str(CACHE / "registries.conf"),
    }


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, when it differs: other processes read it at any time."""
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


def run(*command: str | Path, seconds: float = 600, check: bool = True, **variables: str) -> str:
    """Run a command against our podman; returns what it printed. Raises CommandFailed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT, env=environment() | variables, timeout=seconds, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    if check and done.returncode:
        words = " ".join(str(word) for word in command)
        raise CommandFailed(f"{words}\nexited {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return done.stdout


def podman(*arguments: str | Path, **options: object) -> str:
    """Run podman; returns what it printed. Raises CommandFailed."""
    return run("podman", *arguments, **options)  # type: ignore[arg-type]


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold a lock of this checkout: one run at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
