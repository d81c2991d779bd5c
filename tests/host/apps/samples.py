"""Sources, builds and first installation of the sample project, whose slow parts are cached."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from tests.host.cache import cached, digest, remove
from tests.host.machine import DEPLOY, Machine

HERE = Path(__file__).resolve().parent
BACKEND = HERE / "backend"
FRONTEND = HERE / "frontend"
MIGRATION = BACKEND / "migrations" / "V2__meeting_embedding.sql"
VERSIONS = (1, 2, 3)
# What `next build` needs and `next start` does not.
BUILD_ONLY = shutil.ignore_patterns("swc-*", "@img", ".cache")


def backend_source(version: int, folder: Path) -> Path:
    """Writes the Java project at a release into the new `folder`: `./gradlew clean build -x test` builds it."""
    shutil.copytree(BACKEND, folder, ignore=shutil.ignore_patterns("releases", "build"))
    resources = folder / "src" / "main" / "resources"
    resources.mkdir(exist_ok=True)
    shutil.copy(BACKEND / "releases" / f"{version}.properties", resources / "release.properties")
    return folder


def frontend_source(version: int, folder: Path) -> Path:
    """Writes the Next.js project at a release into the new `folder`: `npm install && npm run build` builds it.

    The packages are already in it, so that `npm install` finds little to do.
    """
    shutil.copytree(FRONTEND, folder, ignore=shutil.ignore_patterns("node_modules", ".next"))
    (folder / "release.json").write_text(json.dumps({"version": str(version)}) + "\n")
    modules = _modules() / "node_modules"
    linked = subprocess.run(["cp", "-al", modules, folder], capture_output=True)
    if linked.returncode:  # another file system
        remove(folder / "node_modules")
        subprocess.run(["cp", "-a", modules, folder], check=True)
    return folder


def backend_jar(version: int) -> Path:
    """The built `app.jar` of a release."""

    def build(folder: Path) -> None:
        project = backend_source(version, folder)
        _run("./gradlew clean build -x test", project)

    return cached(f"jar{version}", digest(BACKEND), build) / "build" / "libs" / "app.jar"


def frontend_build(version: int) -> Path:
    """The built `.next` folder of a release (about 20 s when not cached)."""

    def build(folder: Path) -> None:
        folder.mkdir()
        project = frontend_source(version, folder / "project")
        _run("npm install && npm run build", project)
        (project / ".next").rename(folder / ".next")
        remove(project)

    return cached(f"next{version}", _frontend_key(), build) / ".next"


def frontend_layer() -> Path:
    """A layer for a machine with `/app/frontend` as the seed's server has it: everything but `.next`."""

    def build(folder: Path) -> None:
        target = folder / "app" / "frontend"
        target.mkdir(parents=True)
        shutil.copytree(_modules() / "node_modules", target / "node_modules", symlinks=True, ignore=BUILD_ONLY)
        shutil.copy(FRONTEND / "package.json", target)
        folder.chmod(0o755)
        give_to_deploy(folder / "app")

    return cached("layer", _frontend_key(), build)


def install_release_1(root: Path) -> None:
    """Puts the builds of release 1 on a machine's disk and has systemd start the service at boot."""
    shutil.copy(backend_jar(1), root / "app" / "backend" / "app.jar")
    shutil.copytree(frontend_build(1), root / "app" / "frontend" / ".next", ignore=shutil.ignore_patterns("cache"))
    give_to_deploy(root / "app" / "backend" / "app.jar")
    give_to_deploy(root / "app" / "frontend" / ".next")
    wanted = root / "etc" / "systemd" / "system" / "multi-user.target.wants"
    (wanted / "spring-boot.service").symlink_to("../spring-boot.service")


def start_release_1(machine: Machine, deadline: float = 60.0) -> None:
    """Hands the frontend to pm2 as `nextjs` and waits (seconds) until both services answer."""
    machine.run(
        "cd /app/frontend && NEXT_TELEMETRY_DISABLED=1 pm2 start node_modules/next/dist/bin/next --name nextjs"
        " -- start -p 3000 && pm2 save"
    )
    wait_for(machine, "curl -fsS http://localhost:8080/health && curl -fsS http://localhost:3000", deadline)


def wait_for(machine: Machine, command: str, deadline: float = 30.0) -> bytes:
    """Runs a command until it exits 0 and returns its output. Raises CalledProcessError of the last try."""
    end = time.monotonic() + deadline
    while True:
        done = machine.run(command, check=time.monotonic() > end)
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.1)


def give_to_deploy(path: Path) -> None:
    subprocess.run(["chown", "-R", "-h", f"{DEPLOY}:{DEPLOY}", path], check=True)


def _modules() -> Path:
    def build(folder: Path) -> None:
        folder.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(FRONTEND / name, folder)
        _run("npm install", folder)

    return cached("modules", _frontend_key(), build)


def _frontend_key() -> str:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return digest(FRONTEND, node)


def _run(command: str, folder: Path) -> None:
    done = subprocess.run(
        command, shell=True, cwd=folder, env=os.environ | {"CI": "1"}, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise RuntimeError(f"`{command}` exited {done.returncode}:\n" + (done.stdout + done.stderr)[-4000:])
