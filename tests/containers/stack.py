"""docker-compose.yml, built and started by podman-compose under a name of its own, and taken away whole."""

import fcntl
import ipaddress
import json
import secrets
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.containers import images
from tests.containers.engine import CACHE, ROOT, SUBNETS, environment, podman, run

COMPOSE = [str(ROOT / ".venv" / "bin" / "podman-compose"), "--in-pod", "false", "--no-ansi"]
PREFIX = "cwtest"
RUNS = CACHE / "runs"
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"  # in the proxy's container
READY_SECONDS = 240.0
ENDED = ("exited", "stopped")


class Stack:
    """A running installation, demo included. Its site is `localhost`, at `address`."""

    def __init__(self) -> None:
        self.name = f"{PREFIX}{secrets.token_hex(4)}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.secrets = self.folder / "secrets"
        self.https, self.http = free_port(), free_port()
        self.address = f"https://localhost:{self.https}"
        self.edge = free_subnet()
        self.images = (f"localhost/{self.name}", f"localhost/{self.name}-proxy")
        self._lock = _hold(self.name)

    def __enter__(self) -> Self:
        try:
            self._script()
            self.compose("build")
            self.compose("--profile", "demo", "up", "--detach", "--no-build", "--pull", "never")
            self.until(self.is_ready, "the site to be ready", READY_SECONDS)
        except BaseException as error:
            error.add_note(self.logs())
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def _script(self) -> None:
        variables = {"CLOUDWIKI_SECRETS": str(self.secrets), "CLOUDWIKI_ENV_FILE": str(self.folder / "env")}
        run(ROOT / "deploy" / "init-secrets.sh", "localhost", **variables)

    def compose(self, *arguments: str) -> str:
        """Run podman-compose on the project. Raises CommandFailed."""
        build = " ".join(images.build_options())
        options = ["--project-name", self.name, "--env-file", str(self.folder / "env")]
        return run(*COMPOSE, *options, f"--podman-build-args={build} --layers", *arguments, **self._variables())

    def _variables(self) -> dict[str, str]:
        return {
            "CLOUDWIKI_SECRETS": str(self.secrets),
            "CLOUDWIKI_IMAGE": self.images[0],
            "CLOUDWIKI_PROXY_IMAGE": self.images[1],
            "CLOUDWIKI_HTTPS_PORT": f"127.0.0.1:{self.https}",
            "CLOUDWIKI_HTTP_PORT": f"127.0.0.1:{self.http}",
            "CLOUDWIKI_EDGE_SUBNET": self.edge,
            "CLOUDWIKI_PROBE_ALLOWED_NETWORKS": SUBNETS,
            "CLOUDWIKI_WORKERS": "2",
        }

    def container(self, service: str) -> str:
        """The name of a service's container."""
        return f"{self.name}_{service}_1"

    def containers(self) -> list[dict[str, Any]]:
        """What `podman inspect` says of every container of the project."""
        numbers = podman("ps", "--all", "--quiet", "--filter", f"label=io.podman.compose.project={self.name}").split()
        found: list[dict[str, Any]] = json.loads(podman("inspect", *numbers)) if numbers else []
        return found

    def execute(self, service: str, *command: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container; `user` is that of the container unless given."""
        words = ["podman", "exec", *(["--user", user] if user else []), self.container(service), *command]
        return subprocess.run(words, env=environment(), capture_output=True, text=True, errors="replace", timeout=120)

    def check_health(self, service: str) -> subprocess.CompletedProcess[str]:
        """Run the health check of a service as its container's configuration has it, by hand."""
        configured = json.loads(podman("inspect", self.container(service)))[0]["Config"]["Healthcheck"]["Test"]
        kind, *words = configured
        return self.execute(service, *(["/bin/sh", "-c", words[0]] if kind == "CMD-SHELL" else words))

    def authority(self) -> ssl.SSLContext:
        """Trust in the certificate authority that this proxy made for itself, and in no other."""
        return ssl.create_default_context(cadata=self.execute("caddy", "cat", AUTHORITY).stdout)

    def curl(self, path: str, *options: str, headers: bool = False) -> str:
        """Ask the site over HTTPS as curl does; "" when it does not answer."""
        certificate = self.folder / "authority.crt"
        certificate.write_text(self.execute("caddy", "cat", AUTHORITY).stdout)
        words = ["curl", "--silent", "--noproxy", "*", "--max-time", "10", "--cacert", str(certificate), *options]
        return run(*words, *(["--include"] if headers else []), self.address + path, check=False, seconds=20)

    def is_ready(self) -> bool:
        """Whether /readyz says so through the proxy, and the demo is loaded."""
        loaded = podman("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", self.container("demo")).split()
        if loaded[0] not in ENDED or loaded[1] != "0":
            return False
        return self.curl("/readyz", "--output", "/dev/null", "--write-out", "%{http_code}") == "200"

    def until(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Wait for a condition. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:g} s for {what}")
            time.sleep(0.5)

    def logs(self) -> str:
        """The last lines of every container."""
        parts = []
        for found in self.containers():
            said = subprocess_output(found["Id"])
            parts.append(f"== {found['Name']} {found['State']['Status']} {found['State']['ExitCode']}\n{said}")
        return "\n".join(parts)

    def remove(self) -> None:
        """Everything of this run."""
        _remove_project(self.name)
        images.remove(*self.images)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()


def subprocess_output(container: str) -> str:
    """What a container last said on both its outputs."""
    done = subprocess.run(
        ["podman", "logs", "--tail", "25", container],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    return done.stdout


def sweep() -> None:
    """Remove what runs that died have left."""
    RUNS.mkdir(parents=True, exist_ok=True)
    for file in RUNS.iterdir():
        with file.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _remove_project(file.name)
            images.remove(f"localhost/{file.name}", f"localhost/{file.name}-proxy")


def _hold(name: str) -> IO[bytes]:
    RUNS.mkdir(parents=True, exist_ok=True)
    lock = (RUNS / name).open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove_project(name: str) -> None:
    label = f"label=io.podman.compose.project={name}"
    if containers := podman("ps", "--all", "--quiet", "--filter", label).split():
        podman("rm", "--force", "--time", "5", "--volumes", *containers, check=False)
    if volumes := podman("volume", "ls", "--quiet", "--filter", label).split():
        podman("volume", "rm", "--force", *volumes, check=False)
    networks = [line for line in podman("network", "ls", "--format", "{{.Name}}").split() if line.startswith(name)]
    if networks:
        podman("network", "rm", "--force", *networks, check=False)
    (RUNS / name).unlink(missing_ok=True)


def free_port() -> int:
    """A port of loopback that nobody holds now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_subnet() -> str:
    """A /28 for the network between proxy and web server, apart from those that podman gives out."""
    taken = run("ip", "-4", "-o", "addr", "show")
    pool = list(ipaddress.ip_network("10.214.0.0/16").subnets(new_prefix=28))
    while True:
        subnet = secrets.choice(pool)
        if str(subnet.network_address + 1) not in taken:
            return str(subnet)
