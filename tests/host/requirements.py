"""What a machine must offer to run test hosts."""

import os
import shutil
from pathlib import Path

TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "npm": "npm",
    "javac": "default-jdk-headless",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def missing() -> str:
    """Why no test host can run here, in one sentence; empty when one can."""
    if os.geteuid() != 0:
        return "a test host needs root (mounts, network namespaces, systemd-nspawn)"
    if not KEYRING.exists():
        return f"a test host is built from Debian's archive, whose keyring {KEYRING} is not here"
    absent = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if absent:
        return f"a test host needs these Debian packages: apt-get install {' '.join(absent)}"
    if not cgroup_root().joinpath("cgroup.procs").exists():
        return "a test host needs cgroup version 2, alone or beside version 1, under /sys/fs/cgroup"
    if not os.access(cgroup_root(), os.W_OK):
        return f"a test host needs a cgroup of its own, and {cgroup_root()} is read-only here"
    return ""


def cgroup_root() -> Path:
    """The version 2 hierarchy: the whole of /sys/fs/cgroup, or its `unified` part on a hybrid system."""
    hybrid = Path("/sys/fs/cgroup/unified")
    return hybrid if hybrid.is_dir() else Path("/sys/fs/cgroup")
