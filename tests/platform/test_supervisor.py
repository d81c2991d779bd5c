"""`make up`: one process that starts, watches and stops all the others."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from cloudwiki.supervisor.up import demo_logins
from tests.platform.running import ROOT, Stream, Up, taken_port

TOKEN = "0123456789abcdef" * 4


def test_a_whole_life(folder: Path) -> None:
    """In one run, because a start takes seconds: port taken, answers, deaths, streams open at the end."""
    with taken_port() as taken, Up(folder, port := taken.getsockname()[1], CLOUDWIKI_METRICS_TOKEN=TOKEN) as up:
        up.until_said("Cloud Wiki answers at")
        check_address(up, port)
        check_pages(up.address)
        check_workers_report(up)
        check_deaths(up)
        check_second_is_refused(folder)
        polite, deaf = Stream(f"{up.address}/polite"), Stream(f"{up.address}/deaf")
        up.until(lambda: b"hello" in polite.received and b"hello" in deaf.received)
        family = up.descendants()
        assert up.stop() < 5.0, up.output
        assert up.process.returncode == 0
        assert polite.ended.wait(5)
        assert polite.received.endswith(b"event: bye\ndata:\n\n")
        assert deaf.ended.wait(5)
        assert [process for process in family if process.is_running()] == []
        assert not (folder / "web.json").exists()


def check_address(up: Up, taken: int) -> None:
    said = json.loads((up.data / "web.json").read_text())
    assert said["pid"] == up.process.pid
    assert int(said["address"].rpartition(":")[2]) > taken
    assert f"Cloud Wiki answers at {said['address']}" in up.output


def check_pages(address: str) -> None:
    assert httpx.get(f"{address}/healthz").text == "ok\n"
    assert httpx.get(f"{address}/readyz").json() == {"ready": True, "reasons": []}
    login = httpx.get(f"{address}/admin/login/")
    assert login.status_code == 200
    assert "default-src 'none'" in login.headers["content-security-policy"]
    style = httpx.get(f"{address}/static/css/tokens.css")
    assert (style.status_code, style.headers["x-content-type-options"]) == (200, "nosniff")
    again = httpx.get(f"{address}/static/css/tokens.css", headers={"If-None-Match": style.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.get(f"{address}/static/../manage.py").status_code == 404
    assert httpx.get(f"{address}/healthz", headers={"Host": "evil.example"}).status_code == 400


def check_workers_report(up: Up) -> None:
    """The worker gives signs of life, the reconciler leaves its mark, and Prometheus reads both."""

    def metrics() -> str:
        return httpx.get(f"{up.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text

    up.until(lambda: 'cloudwiki_workers{state="alive"} 1.0' in metrics())
    up.until(lambda: "cloudwiki_last_reconcile_age_seconds" in metrics())
    assert "cloudwiki_worker_processes 1.0" in metrics()


def check_deaths(up: Up) -> None:
    """Visitors wait for a web process that is started again; they are not refused."""
    up.named("web").kill()
    assert httpx.get(f"{up.address}/healthz", timeout=60).text == "ok\n"
    up.until_said("ended by itself (signal SIGKILL); starting it again in 0.5 s")
    up.named("postgres").kill()
    up.until_said("postgres had ended and was started again")
    assert httpx.get(f"{up.address}/readyz", timeout=60).status_code == 200


def check_second_is_refused(folder: Path) -> None:
    with Up(folder, 0) as second:
        assert second.process.wait(60) == 1
        second._reader.join(10)
        assert "in use by another Cloud Wiki" in second.output


def test_a_killed_supervisor_leaves_nothing_and_can_be_started_again(folder: Path) -> None:
    with Up(folder, 0) as up:
        up.until_said("Cloud Wiki answers at")
        up.until_said("demo host: listens")  # killed while it boots, the host would end its services at its next start
        up.until_said("demo gpu: listens")
        place = (folder / "demo" / "gpu.json").read_bytes()
        family = up.descendants()
        up.stop(signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=20)
        assert [process.cmdline() for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    with Up(folder, 0) as up:
        up.until_said("Cloud Wiki answers at")
        up.until_said("demo gpu: listens")
        assert (folder / "demo" / "gpu.json").read_bytes() == place
        assert up.stop(signal.SIGTERM) < 5.0, up.output
        assert up.process.returncode == 0


def test_a_stop_during_the_set_up_is_clean(folder: Path) -> None:
    with Up(folder, 0) as up:
        up.until_said("Applying")
        assert up.stop() < 5.0, up.output
        assert up.process.returncode == 0


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CLOUDWIKI_PORT", "eighty"), ("CLOUDWIKI_HOST", "192.0.2.1"), ("CLOUDWIKI_WORKERS", "none")],
)
def test_a_wrong_variable_is_named_and_nothing_is_left_running(folder: Path, variable: str, value: str) -> None:
    environment = {name: text for name, text in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "-m", "cloudwiki", "up"],
        cwd=ROOT,
        env=environment | {"CLOUDWIKI_DATA": str(folder), "CLOUDWIKI_PORT": "0", variable: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert variable in done.stdout
    assert not (folder / "run" / "valkey.sock").exists()


def test_an_unknown_verb_lists_the_known_ones() -> None:
    done = subprocess.run([sys.executable, "-m", "cloudwiki", "fly"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "worker" in done.stderr


@pytest.mark.parametrize("text", ["", "{}", '{"logins": 3}', '{"logins": [{"username": "a"}]}'])
def test_a_broken_demo_file_costs_only_its_lines(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text)
    assert demo_logins(tmp_path) == []


def test_demo_logins_are_told(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text('{"logins": [{"username": "minsu", "password": "demo"}]}')
    assert demo_logins(tmp_path) == ["log in as minsu / demo"]
