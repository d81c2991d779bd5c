"""What a machine must offer to build and run the production containers."""

import os
import shutil
from pathlib import Path

TOOLS = {
    "podman": "podman",
    "buildah": "buildah",
    "runc": "runc",
    "catatonit": "catatonit",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "curl": "curl",
    "ssh-keygen": "openssh-client",
}
FILES = {
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}


def missing() -> str:
    """Why no container can run here, in one sentence; empty when one can."""
    if os.geteuid() != 0:
        return "the containers need root (networks, cgroups, secret files of other accounts)"
    absent = {package for tool, package in TOOLS.items() if _find(tool) is None}
    absent |= {package for file, package in FILES.items() if not Path(file).exists()}
    if absent:
        return f"the containers need these Debian packages: apt-get install {' '.join(sorted(absent))}"
    return ""


def _find(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/libexec/podman:/usr/sbin:/sbin")
