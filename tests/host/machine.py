"""A real host for tests: Debian under systemd-nspawn, with a network, a control group and a disk of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.host import image
from tests.host.cache import CACHE
from tests.host.slot import Slot, claim, ip

DEPLOY = 1000  # user and group id of `deploy` in the image

# 133 is how systemd-nspawn ends when the guest reboots, and --keep-unit leaves the new boot to its caller.
SUPERVISOR = """
for file in $CGROUPS; do echo $$ > "$file" || exit 1; done
while :; do "$@"; [ $? = 133 ] || exit; done
"""


class HostNotReady(Exception):
    """The host did not come up in time; the text holds what it said last."""


class Machine:
    """One host. Use it as a context manager, or call `up` and `down`.

    `layers` are folders laid over the image, the first on top. `prepare(root)` changes the disk before the first boot.
    """

    user = "deploy"
    port = 22

    def __init__(self, *, layers: Sequence[Path] = (), prepare: Callable[[Path], None] | None = None) -> None:
        self._layers = layers
        self._prepare = prepare
        self._slot: Slot | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Machine":
        return self.up()

    def __exit__(self, *exception: object) -> None:
        self.down()

    @property
    def slot(self) -> Slot:
        if self._slot is None:
            raise RuntimeError("the host is down")
        return self._slot

    @property
    def name(self) -> str:
        return self.slot.name

    @property
    def address(self) -> str:
        return self.slot.address

    @property
    def folder(self) -> Path:
        return CACHE / "run" / self.name

    @property
    def root(self) -> Path:
        """The host's file system as this machine sees it."""
        return self.folder / "root"

    @property
    def private_key(self) -> Path:
        return self.folder / "key"

    @property
    def host_key(self) -> str:
        """The host's public key, "ssh-ed25519 AAAA..."."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def up(self, deadline: float = 120.0) -> "Machine":
        """Makes the host and waits (seconds) until it is wholly booted. Raises HostNotReady, ImageNotBuilt."""
        tree = image.tree()
        self._slot = claim()
        try:
            self._make_disk(tree)
            self.slot.connect()
            self.start(deadline)
        except BaseException:
            self.down()
            raise
        return self

    def down(self) -> None:
        """Ends the host and removes all of it."""
        if self._slot is None:
            return
        slot, self._slot = self._slot, None
        slot.release()
        self._reap()

    def kill(self) -> None:
        """Cuts the power: every process of the host ends at once, the disk stays. `start` boots it again."""
        self.slot.group.kill()
        self.slot.group.remove()  # Linux kills again whatever a new boot starts in a group that was killed once
        self._reap()

    def start(self, deadline: float = 120.0) -> None:
        """Boots from the disk as it is and waits until the host is ready."""
        self.slot.group.create()
        with (self.folder / "console.log").open("ab") as log:
            self._supervisor = subprocess.Popen(
                ["sh", "-c", SUPERVISOR, "supervisor", *self._nspawn()],
                env=os.environ
                | {"CGROUPS": " ".join(self.slot.group.process_files), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(deadline)

    def reboot(self, deadline: float = 120.0) -> None:
        """Reboots from within and waits until the host is ready again."""
        before = self.boot_time()
        self.run("sudo systemctl reboot", check=False)
        self.wait(deadline, unlike=before)

    def unplug(self) -> None:
        """Takes the network cable out."""
        ip("link", "set", self.slot.interface, "down")

    def plug(self) -> None:
        """Puts the network cable back in."""
        ip("link", "set", self.slot.interface, "up")

    def boot_time(self) -> str:
        """When the host's systemd started, in microseconds of the monotonic clock."""
        return self.run("systemctl show -P UserspaceTimestampMonotonic").stdout.decode().strip()

    def wait(self, deadline: float = 120.0, unlike: str = "") -> None:
        """Waits until the host is wholly booted, at another boot time than `unlike`. Raises HostNotReady."""
        end = time.monotonic() + deadline
        said = ""
        question = "systemctl show -P UserspaceTimestampMonotonic; systemctl is-system-running"
        while time.monotonic() < end:
            answer = self.run(question, check=False)
            said = (answer.stdout + answer.stderr).decode(errors="replace")
            words = answer.stdout.decode().split()
            if len(words) == 2 and words[0] != unlike:
                if words[1] == "running":
                    return
                if words[1] == "degraded":
                    break
            if self._supervisor and self._supervisor.poll() is not None:
                break
            time.sleep(0.05)
        raise HostNotReady(f"{self.name}: {said}{self._unfinished_units()}\n{self._console()}")

    def run(
        self, command: str, stdin: bytes = b"", *, check: bool = True, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a command over plain ssh. Raises CalledProcessError when `check` and it exits other than 0."""
        done = subprocess.run(
            ["ssh", *self._options(), f"{self.user}@{self.address}", command],
            input=stdin,
            capture_output=True,
            timeout=timeout,
        )
        if check and done.returncode:
            error = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            error.add_note((done.stdout + done.stderr).decode(errors="replace")[-2000:])
            raise error
        return done

    def copy(self, source: Path, destination: str) -> None:
        """`scp -r` to the host."""
        target = f"{self.user}@{self.address}:{destination}"
        subprocess.run(["scp", "-qr", *self._options(), str(source), target], check=True, timeout=120)

    def _options(self) -> list[str]:
        return [
            "-F",
            "none",
            "-i",
            str(self.private_key),
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=10",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            f"UserKnownHostsFile={self.folder / 'known_hosts'}",
        ]

    def _nspawn(self) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            "--boot",
            f"--directory={self.root}",
            f"--machine={self.name}",
            f"--network-namespace-path=/run/netns/{self.name}",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
        ]

    def _make_disk(self, tree: Path) -> None:
        folder = self.folder
        folder.mkdir(parents=True)
        self.slot.hold(folder)
        self._mount([*self._layers, tree])
        for key in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-C", key, "-f", folder / key], check=True)
        (folder / "known_hosts").write_text(f"{self.address} {self.host_key}\n")
        etc = self.root / "etc"
        shutil.copy(folder / "host_key", etc / "ssh" / "ssh_host_ed25519_key")
        shutil.copy(folder / "host_key.pub", etc / "ssh" / "ssh_host_ed25519_key.pub")
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {self.name}\n")
        authorized = self.root / "home" / self.user / ".ssh" / "authorized_keys"
        shutil.copy(folder / "key.pub", authorized)
        os.chown(authorized, DEPLOY, DEPLOY)
        if self._prepare:
            self._prepare(self.root)

    def _mount(self, lower: Sequence[Path]) -> None:
        mounted = self._overlay(lower)
        if mounted.returncode:  # the checkout is itself on an overlay, which can't be the upper one of another
            subprocess.run(["mount", "-t", "tmpfs", self.name, self.folder], check=True)
            mounted = self._overlay(lower)
        if mounted.returncode:
            raise HostNotReady(f"no overlay can be mounted on {self.root}: {mounted.stderr.decode()}")

    def _overlay(self, lower: Sequence[Path]) -> subprocess.CompletedProcess[bytes]:
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(exist_ok=True)
        layers = ":".join(str(folder) for folder in lower)
        options = f"lowerdir={layers},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        return subprocess.run(["mount", "-t", "overlay", self.name, "-o", options, self.root], capture_output=True)

    def _reap(self) -> None:
        if self._supervisor:
            self._supervisor.wait(10)
            self._supervisor = None

    def _unfinished_units(self) -> str:
        question = "systemctl --failed --no-legend; systemctl list-jobs --no-legend"
        return self.run(question, check=False).stdout.decode(errors="replace")

    def _console(self) -> str:
        return (self.folder / "console.log").read_text(errors="replace")[-2000:]
