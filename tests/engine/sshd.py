"""A real OpenSSH server, run by whoever runs the tests, with keys of its own; on a loopback port if not told else."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from releases.remote.connection import Target

PRIVILEGE_FOLDER = Path("/run/sshd")  # sshd run by root asks for it


def wait_for[T](condition: Callable[[], T], seconds: float = 15.0, what: str = "") -> T:
    """Ask until it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what or condition}"
        time.sleep(0.01)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair; returns the public key, "ssh-ed25519 AAAA"."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path], check=True)
    return path.with_suffix(".pub").read_text().strip()


class Sshd:
    """`target` reaches it. Lines in `settings` come first in its sshd_config, so they win.

    `namespace`: the network namespace it listens in, at `address` there.
    """

    def __init__(self, folder: Path, settings: str = "", *, address: str = "127.0.0.1", namespace: str = "") -> None:
        self.folder = folder
        self.address = address
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.host_key = make_key(folder / "host_key")
        self.client_key = folder / "client_key"
        (folder / "authorized_keys").write_text(make_key(self.client_key) + "\n")
        self.home = folder / "home"
        self.home.mkdir(exist_ok=True)
        self.log = folder / "sshd.log"
        self.settings = settings
        self._enter = ["ip", "netns", "exec", namespace] if namespace else []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def target(self) -> Target:
        return Target("box", self.address, self.port, self.user, self.host_key, self.client_key)

    def start(self) -> None:
        if os.getuid() == 0:
            PRIVILEGE_FOLDER.mkdir(mode=0o755, exist_ok=True)
        self._write_config()
        with self.log.open("ab") as log:
            command = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self._process = subprocess.Popen([*self._enter, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self.answers, what="sshd")

    def answers(self) -> bool:
        assert self._process and self._process.poll() is None, self.log.read_text()
        with suppress(OSError), socket.create_connection((self.address, self.port), 1) as sock:
            return sock.recv(4) == b"SSH-"
        return False

    def new_host_key(self, kind: str = "ed25519") -> str:
        """Give it another host key, as a reinstalled machine or an impostor has."""
        for path in self.folder.glob("host_key*"):
            path.unlink()
        return make_key(self.folder / "host_key", kind)

    def processes(self) -> list[psutil.Process]:
        """The listener and the sessions, without what runs in them."""
        if not self._process or self._process.poll() is not None:
            return []
        listener = psutil.Process(self._process.pid)
        found = [listener]
        for child in listener.children(recursive=True):
            with suppress(psutil.Error):
                if child.name().startswith("sshd"):
                    found.append(child)
        return found

    def stop(self) -> None:
        """End the listener and cut every session at once; commands in them live on or not, as they like."""
        self.kill()
        if self._process:
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """The same without waiting. The listener is stopped first: who comes back at once must not get in meanwhile."""
        for listener in self.processes()[:1]:
            with suppress(psutil.Error):
                listener.suspend()
        for process in reversed(self.processes()):
            with suppress(psutil.Error):
                process.kill()

    def pause(self) -> None:
        """Stop answering without closing anything, as behind a firewall that drops packets."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)

    def _write_config(self) -> None:
        (self.folder / "sshd_config").write_text(
            f"{self.settings}\n"
            f"SetEnv HOME={self.home}\n"  # no one's login scripts, and nothing left in a real home
            f"Port {self.port}\nListenAddress {self.address}\nHostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
            "MaxSessions 100\nMaxStartups 200\nLogLevel VERBOSE\n"
        )
