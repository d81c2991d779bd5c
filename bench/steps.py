"""Time of a trivial step: ours (claimed, detached, recorded), a stock Fabric connection, ansible-playbook.

python -m bench.steps [TIMES]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from fabric import Config, Connection
from paramiko.config import SSHConfig

from bench.ssh import ansible, expect, loopback, median_ms, samples_ms
from releases.remote.connection import open_transport
from releases.remote.steps import StepClient, StepScript
from releases.remote.transport import Transport
from tests.engine.sshd import Sshd

COMMAND = "true"
PLAYBOOK_STEPS = 20


def step_ms(server: Sshd, times: int) -> list[float]:
    """A step through StepClient on one open connection, with its status and log on the machine."""
    transport = open_transport(server.target)
    client = StepClient(transport, str(server.folder / "state"))

    def run() -> None:
        script = StepScript(uuid.uuid4().hex, COMMAND.encode(), {}, {}, "bench", 1, 60, None)
        status = client.launch_and_follow(script, 0, lambda _: None, lambda: False)
        expect(status.exit_code == 0, f"a finished step, not {status}")

    taken = samples_ms(run, times)
    transport.close()
    return taken


def exec_ms(server: Sshd, times: int) -> float:
    """The same connection without the wrapper: the floor."""
    transport: Transport = open_transport(server.target)
    taken = median_ms(lambda: transport.execute(COMMAND), times)
    transport.close()
    return taken


def fabric_ms(server: Sshd, times: int, *, reuse: bool) -> float:
    """Stock Fabric as its manual shows it: one connection for all, or one a command."""

    def connect() -> Connection:
        return Connection(
            "127.0.0.1",
            user=server.user,
            port=server.port,
            config=Config(lazy=True, ssh_config=SSHConfig()),
            connect_kwargs={"key_filename": str(server.client_key), "allow_agent": False, "look_for_keys": False},
        )

    shared = connect()

    def run() -> None:
        connection = shared if reuse else connect()
        connection.run(COMMAND, hide=True, in_stream=False)
        if not reuse:
            connection.close()

    taken = median_ms(run, times)
    shared.close()
    return taken


def ansible_ms(server: Sshd, playbook: Path, folder: Path) -> float:
    """A step of a playbook with pipelining; start-up taken out by the difference of two lengths."""
    inventory = folder / "hosts"
    inventory.write_text(
        f"box ansible_host=127.0.0.1 ansible_port={server.port} ansible_user={server.user} "
        f"ansible_ssh_private_key_file={server.client_key} ansible_python_interpreter={sys.executable}\n"
    )
    settings = {
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_SSH_ARGS": "-F none -o ControlMaster=auto -o ControlPersist=60s",
        "LC_ALL": "C.UTF-8",
    }

    def seconds(steps: int) -> float:
        tasks = [{"name": f"step {number}", "command": COMMAND} for number in range(steps)]
        book = folder / f"book{steps}.json"  # JSON is YAML
        book.write_text(json.dumps([{"hosts": "box", "gather_facts": False, "tasks": tasks}]))
        started = time.perf_counter()
        command = [str(playbook), "-i", str(inventory), str(book)]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | settings)
        return time.perf_counter() - started

    seconds(1)
    return (seconds(PLAYBOOK_STEPS + 1) - seconds(1)) * 1000 / PLAYBOOK_STEPS


def measure(times: int = 30) -> dict[str, float | None]:
    """Milliseconds a step, and how many times as long the others take (> 1: ours is faster)."""
    with loopback() as server, tempfile.TemporaryDirectory(prefix="cloudwiki-bench-") as folder:
        taken = step_ms(server, times)
        ours = sorted(taken)[len(taken) // 2]
        result: dict[str, float | None] = {
            "step_ms": ours,
            "step_p95_ms": sorted(taken)[int(len(taken) * 0.95)],
            "bare_exec_ms": exec_ms(server, times),
            "fabric_reused_ms": fabric_ms(server, times, reuse=True),
            "fabric_new_ms": fabric_ms(server, max(5, times // 3), reuse=False),
            "ansible_ms": None,
        }
        with ansible(Path(folder)) as playbook:
            if playbook:
                result["ansible_ms"] = ansible_ms(server, playbook, Path(folder))
    for name in ("fabric_reused", "fabric_new", "ansible"):
        other = result[f"{name}_ms"]
        result[f"{name}_ratio"] = other / ours if other else None
    return result


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
    print(json.dumps({"bench": "steps", **{k: v and round(v, 2) for k, v in found.items()}}))
