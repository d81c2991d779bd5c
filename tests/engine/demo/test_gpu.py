"""The demo's provider of graphics cards: the emulator of RunPod as a process of `make up`."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from demo import ai, gpu
from demo.machine import Database, install
from tests.engine.demo.conftest import until
from tests.engine.gpu.caller import BODY

ROOT = Path(gpu.__file__).resolve().parents[1]
NO_EMULATOR = "import sys; sys.modules['tests.emulators.runpod'] = None; from demo import gpu; sys.exit(gpu.main())"


class Gpu:
    """`python -m cloudwiki demo-gpu`."""

    def __init__(self, data: Path, *program: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *(program or ("-m", "cloudwiki", "demo-gpu"))],
            cwd=ROOT, env={**os.environ, "CLOUDWIKI_DATA": str(data)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.first = self.process.stdout.readline()

    def end(self) -> tuple[int, float]:
        """SIGTERM; returns the exit code, and the seconds that it took."""
        began = time.monotonic()
        self.process.terminate()
        return self.process.wait(20), time.monotonic() - began


@contextmanager
def running(data: Path, *program: str) -> Iterator[Gpu]:
    made = Gpu(data, *program)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def client(place: gpu.Place) -> httpx.Client:
    return httpx.Client(headers={"Authorization": f"Bearer {place.key}"}, trust_env=False, timeout=20)


def endpoints(place: gpu.Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client(place).get(f"{place.control_url}/serverless").json()["endpoints"]
    return found


def cost(place: gpu.Place) -> float:
    return float(httpx.get(f"{place.admin_url}/state", trust_env=False).json()["cost"])


def taken(url: str) -> socket.socket:
    """Another program on the port of this address."""
    return socket.create_server(("127.0.0.1", urlsplit(url).port))


def test_place_is_known_before_it_runs_and_stays(tmp_path: Path) -> None:
    place = gpu.place(tmp_path)
    file = tmp_path / "demo" / "gpu.json"
    assert json.loads(file.read_text()) == {
        "control_url": place.control_url, "data_url": place.data_url, "admin_url": place.admin_url, "key": place.key,
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(place.ports)) == 3
    assert place.key not in repr(place)
    assert gpu.place(tmp_path) == place
    with running(tmp_path) as emulator:
        assert place.control_url in emulator.first
        assert place.key not in emulator.first
        assert endpoints(place) == []
        assert gpu.place(tmp_path) == place, "its own ports are not taken by another program"


def test_it_keeps_endpoints_and_the_bill_over_a_restart_and_ends_quickly(tmp_path: Path) -> None:
    place = gpu.place(tmp_path)
    with running(tmp_path) as emulator, client(place) as http:
        made = http.post(f"{place.control_url}/serverless", json=BODY).json()
        job = {"input": {"prompt": "What is 2+2?"}}
        http.post(made["requestUrls"]["run"], json=job)
        httpx.post(f"{place.admin_url}/skip", json={"seconds": gpu.PULL + gpu.START + gpu.ANSWER}, trust_env=False)
        assert (before := cost(place)) > 0
        http.post(f"{place.admin_url}/faults", json={"kind": "no_capacity"})
        with http.stream("GET", f"{place.control_url}/serverless/{made['id']}/workers"):
            code, seconds = emulator.end()
    assert (code, seconds < 5) == (0, True), seconds
    with running(tmp_path):
        assert gpu.place(tmp_path) == place
        assert endpoints(place) == [made]
        assert before <= cost(place) < before + 0.01
        assert httpx.get(f"{place.admin_url}/faults", trust_env=False).json()["faults"] == []


def test_somebody_who_waits_does_not_hold_up_its_end(tmp_path: Path) -> None:
    place = gpu.place(tmp_path)
    with running(tmp_path) as emulator, client(place) as http:
        made = http.post(f"{place.control_url}/serverless", json=BODY).json()
        http.post(f"{place.admin_url}/faults", json={"kind": "no_capacity"})
        url = urlsplit(place.data_url)
        body = b'{"model": "m", "messages": []}'
        head = (
            f"POST /v2/{made['id']}/openai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        )
        with socket.create_connection((url.hostname, url.port)) as waiting:
            waiting.sendall(f"{head}Authorization: Bearer {place.key}\r\n\r\n".encode() + body)
            until(lambda: http.get(made["requestUrls"]["health"]).json()["jobs"]["inQueue"] == 1)
            code, seconds = emulator.end()
    assert (code, seconds < 5) == (0, True), seconds


def test_it_listens_on_loopback_alone(tmp_path: Path) -> None:
    with running(tmp_path) as emulator:
        open_ones = psutil.Process(emulator.process.pid).net_connections("tcp")
    assert {each.laddr.ip for each in open_ones} == {"127.0.0.1"}
    assert {each.laddr.port for each in open_ones} == set(gpu.place(tmp_path).ports)


def test_a_cold_start_takes_seconds_and_costs_about_a_cent() -> None:
    assert 5 <= gpu.PULL + gpu.START <= 8
    idle, price_of_l4 = 30, 0.684
    assert 0.005 < (gpu.START + gpu.ANSWER + idle) * gpu.SPEED * price_of_l4 / 3600 < 0.02


def test_a_port_that_is_taken_is_replaced_and_the_backends_are_told(tmp_path: Path) -> None:
    machine = install(tmp_path, "ssh-ed25519 AAAA nobody", Database("127.0.0.1", 5432, "u", "p", "d"), {})
    old = gpu.place(tmp_path)
    files = [site.folder / "etc" / ai.FILE for site in machine.sites.values()]
    files[0].write_text(f"RUNPOD_BASE_URL={old.data_url}/e1/openai/v1\nAI_MODEL=mine\n")
    with taken(old.data_url):
        new = gpu.place(tmp_path)
        with running(tmp_path):
            assert endpoints(new) == []
    assert (new.control_url, new.admin_url, new.key) == (old.control_url, old.admin_url, old.key)
    assert new.data_url != old.data_url
    assert gpu.place(tmp_path) == new
    assert [file.read_text() for file in files] == [f"RUNPOD_BASE_URL={new.data_url}/e1/openai/v1\nAI_MODEL=mine\n", ""]
    assert files[0].stat().st_mode & 0o777 == 0o600


def test_a_port_that_is_taken_after_the_set_up_is_told(tmp_path: Path) -> None:
    place = gpu.place(tmp_path)
    with taken(place.admin_url), running(tmp_path) as emulator:
        assert f"another program has port {urlsplit(place.admin_url).port}" in emulator.first
        assert emulator.process.wait(20) == 1
    assert gpu.place(tmp_path) == place, "rows of the database name the ports"


def test_two_data_folders_side_by_side(tmp_path: Path) -> None:
    first, second = gpu.place(tmp_path / "a"), gpu.place(tmp_path / "b")
    with running(tmp_path / "a"), running(tmp_path / "b"):
        client(first).post(f"{first.control_url}/serverless", json=BODY)
        assert (len(endpoints(first)), len(endpoints(second))) == (1, 0)


def test_a_second_one_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running(tmp_path), running(tmp_path) as second:
        assert "runs already" in second.first
        assert second.process.wait(20) == 1


def test_a_file_that_makes_no_sense_is_made_anew(tmp_path: Path) -> None:
    gpu.place(tmp_path)
    for text in ("", "[]", '{"key": "k"}', '{"control_url": 1, "data_url": "", "admin_url": "", "key": "k"}'):
        (tmp_path / "demo" / "gpu.json").write_text(text)
        place = gpu.place(tmp_path)
        assert len(place.key) > 20
        assert gpu.place(tmp_path) == place


def test_without_the_emulator_it_says_so_and_waits_for_its_end(tmp_path: Path) -> None:
    with running(tmp_path, "-c", NO_EMULATOR) as idle:
        assert "no emulator of RunPod here" in idle.first
        assert idle.process.poll() is None
        assert idle.end()[0] == 0
