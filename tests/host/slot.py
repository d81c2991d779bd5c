"""Numbers for test hosts: each gives a name, a /30 network and a lock that ends with the process that took it."""

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.host.cache import remove
from tests.host.cgroup import ControlGroup

STATE = Path("/run/cloudwiki-test-hosts")
NUMBERS = range(1, 251)
# A lower priority than any route the machine already has for this network (podman's default, for one).
BLACKHOLE = ["blackhole", "10.88.0.0/16", "metric", "4096"]


class NoFreeSlot(Exception):
    """All 250 networks are taken, by test hosts or by the machine's own interfaces."""


class Slot:
    """One number, held until `release` or until this process ends."""

    def __init__(self, number: int, lock: IO[bytes]) -> None:
        self.number = number
        self.name = f"cwhost-{number}"
        self.interface = f"cwhost{number}"
        self.gateway = f"10.88.{number}.1"
        self.address = f"10.88.{number}.2"
        self.group = ControlGroup(self.name)
        self._lock = lock
        self._note = STATE / f"{number}.folder"

    def hold(self, folder: Path) -> None:
        """Notes the host's folder, so that whoever finds this slot abandoned can clear it."""
        self._note.write_text(str(folder))

    def connect(self) -> None:
        """Makes the network: a namespace with one interface, a route to nowhere for every host that is gone."""
        ip("route", "replace", *BLACKHOLE)
        ip("netns", "add", self.name)
        ip("link", "add", self.interface, "type", "veth", "peer", "name", "host0", "netns", self.name)
        ip("addr", "add", f"{self.gateway}/30", "dev", self.interface)
        ip("link", "set", self.interface, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", "host0")
        for device in ("host0", "lo"):
            ip("-n", self.name, "link", "set", device, "up")

    def clear(self) -> None:
        """Ends the host's processes and removes its group, network, mount and folder, whatever is left of them."""
        self.group.kill()
        if self._note.exists():
            folder = Path(self._note.read_text())
            for mount in (folder / "root", folder):
                _unmount(mount)
            remove(folder)
            self._note.unlink()
        ip("link", "del", self.interface, check=False)
        ip("netns", "del", self.name, check=False)
        self.group.remove()

    def abandon(self) -> None:
        """Gives the number back with everything still in place, as a process that dies does."""
        self._lock.close()

    def release(self) -> None:
        """Clears and gives the number back; the last one takes the route to nowhere away."""
        with _allocation():
            self.clear()
            self._lock.close()
            _remove_unused_route()


def claim() -> Slot:
    """The first free number, cleared of what a dead process left. Raises NoFreeSlot."""
    with _allocation():
        in_use = ip("-o", "-4", "addr", "show")
        for number in NUMBERS:
            if lock := _try_lock(number):
                slot = Slot(number, lock)
                slot.clear()
                if f" 10.88.{number}." not in in_use or f"{slot.gateway}/30" in in_use:
                    return slot
                lock.close()
    raise NoFreeSlot("no free 10.88.N.0/30 network for a test host")


def sweep() -> None:
    """Clears every slot whose process died."""
    if not STATE.exists():
        return
    with _allocation():
        for number in NUMBERS:
            if (STATE / f"{number}.folder").exists() and (lock := _try_lock(number)):
                Slot(number, lock).clear()
                lock.close()
        _remove_unused_route()


def ip(*arguments: str, check: bool = True) -> str:
    """Runs ip(8) and returns its output. Raises RuntimeError with its error text."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def _allocation() -> Iterator[None]:
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / "allocation.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _lock_file(number: int) -> Path:
    return STATE / f"{number}.lock"


def _try_lock(number: int) -> IO[bytes] | None:
    lock = _lock_file(number).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _taken(number: int) -> bool:
    if lock := _try_lock(number):
        lock.close()
    return lock is None


def _remove_unused_route() -> None:
    if not any(_taken(number) for number in NUMBERS if _lock_file(number).exists()):
        ip("route", "del", *BLACKHOLE, check=False)


def _unmount(folder: Path) -> None:
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
