"""The images: a base by mmdebstrap, stand-ins of official ones, ours by the Dockerfile. The slow parts are kept."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.containers.engine import CACHE, ROOT, CommandFailed, alone, environment, podman, run
from tests.host.cache import digest

STANDINS = Path(__file__).resolve().parent / "standins"
NAMES = {"postgres": "pgvector/pgvector:pg17", "redis": "redis:8", "caddy": "caddy:2"}  # as docker-compose.yml has them
BASE = "debian:trixie-slim"
MACHINE = "/machine"  # where a build finds the files of this machine that its settings name
DEBIAN = [
    "mmdebstrap", "--mode=root", "--variant=minbase", "--quiet",
    "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=force-unsafe-io", "--aptopt=Acquire::Languages \"none\"",
    "trixie",
]  # fmt: skip


def prepare() -> None:
    """Make what every run needs where it is missing, and forget what belongs to older sources."""
    base = digest(*DEBIAN)
    standins = digest(base, STANDINS)
    dependencies = digest(base, ROOT / "Dockerfile", ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
    with alone("images"):
        if _is_new("base", base):
            _import_base(f"localhost/kept-base:{base}")
        podman("tag", f"localhost/kept-base:{base}", f"localhost/{BASE}")
        for stage, name in NAMES.items():
            kept = f"localhost/kept-{stage}:{standins}"
            if _is_new(stage, standins):
                build(STANDINS, "--file", STANDINS / "Containerfile", "--target", stage, "--tag", kept)
            podman("tag", kept, f"localhost/{name}")
        if _is_new("dependencies", dependencies):
            kept = f"localhost/kept-dependencies:{dependencies}"
            build(ROOT, "--target", "dependencies", "--tag", kept)
        podman("image", "prune", "--force")


def build(context: Path, *arguments: str | Path) -> None:
    """`podman build` with this machine's way to packages. Raises CommandFailed."""
    podman("build", *build_options(), "--layers", "--quiet", *arguments, context)


def remove(*names: str) -> None:
    """Remove images of this run and the layers that nothing else uses."""
    with alone("images"):
        podman("rmi", "--force", *names, check=False)
        podman("image", "prune", "--force", check=False)


def build_options() -> list[str]:
    """What a build needs on this machine, where no container has a network of its own yet, and perhaps a mirror.

    The machine's settings of pip and uv go in as the build's secret `mirror`; files that they name are mounted.
    """
    sys.path.insert(0, str(ROOT / "scripts"))
    from bootstrap import uv_environment

    found = {name: value for name, value in uv_environment().items() if re.match(r"(UV_|PIP_|SSL_CERT_FILE$)", name)}
    found |= _pip_settings()
    found, mounts = _moved(found)
    mirror = CACHE / "mirror.env"
    mirror.write_text("".join(f"{name}='{value}'\n" for name, value in sorted(found.items())))
    mirror.chmod(0o600)
    volumes = [f"--volume={path}:{MACHINE}{path}:ro" for path in sorted(mounts)]
    return ["--isolation=chroot", "--network=host", f"--secret=id=mirror,src={mirror}", *volumes]


def _moved(settings: dict[str, str]) -> tuple[dict[str, str], set[Path]]:
    """The settings with every path of this machine below MACHINE, and the paths to mount there.

    Not at their own places: a package that is installed may own a file there, such as the list of authorities.
    """
    mounts: set[Path] = set()

    def move(match: re.Match[str]) -> str:
        path = Path(match[2])
        if path == Path("/") or not path.exists():
            return match[0]
        # An index in a folder names its files relative to itself, beside it.
        mounts.add(path.parent if match[1] else path)
        return f"{match[1] or ''}{MACHINE}{match[2]}"

    moved = {name: re.sub(r"(file://)?(/[\w./+-]+)", move, value) for name, value in settings.items()}
    return moved, mounts


def _pip_settings() -> dict[str, str]:
    listed = subprocess.run(
        [*_pip(), "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    ).stdout
    pairs = re.findall(r"^(?:global|install)\.([\w-]+)='(.*)'$", listed, re.M)
    return {f"PIP_{key.replace('-', '_').upper()}": value.replace("\\n", " ").strip() for key, value in pairs}


def _pip() -> list[str]:
    return ["/usr/bin/python3", "-m", "pip"] if os.access("/usr/bin/python3", os.X_OK) else ["pip"]


def _is_new(kind: str, key: str) -> bool:
    """Whether this image has still to be made; images of the kind with other keys lose their name."""
    wanted = f"localhost/kept-{kind}:{key}"
    listed = podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    older = [name for name in listed if name.startswith(f"localhost/kept-{kind}:") and name != wanted]
    for name in older:
        podman("untag", name, name)  # with one name only, podman would take every name of the image
    return wanted not in listed


def _import_base(name: str) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        archive = Path(folder) / "base.tar"
        made = subprocess.run([*DEBIAN, archive], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode:
            raise CommandFailed(f"mmdebstrap exited {made.returncode}:\n{made.stdout.decode(errors='replace')[-4000:]}")
        run("podman", "import", "--quiet", archive, name)
