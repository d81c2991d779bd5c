"""What survives the emulator's end: endpoints and the bill."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulators import runpod as package
from tests.emulators.runpod import RunPod

from .caller import BODY, Caller

ROOT = Path(__file__).resolve().parents[3]
DAY = 24 * 3600


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gpu.json"


@contextmanager
def started(file: Path) -> Iterator[Caller]:
    """An emulator in which time stands still, with its state in this file."""
    file.parent.mkdir(exist_ok=True)
    with RunPod(speed=0, key="rpa_same", state=file) as runpod:
        yield Caller(runpod)


def shown(endpoint: dict[str, Any]) -> dict[str, Any]:
    """Without addresses: each emulator here has ports of its own."""
    return {name: value for name, value in endpoint.items() if name != "requestUrls"}


def bill(caller: Caller) -> Any:
    url = f"{caller.runpod.control_url}/billing/serverless"
    return caller.http.get(url, params={"bucketSize": "hour"}).json()["records"]


def test_an_endpoint_comes_back_as_it_was_without_workers_and_jobs(file: Path) -> None:
    with started(file) as caller:
        endpoint = caller.warm()
        caller.call("PATCH", f"/{endpoint['id']}", {"env": {"MODEL_NAME": "other"}, "workers": {"max": 1}})
        before = [caller.call("GET", path).json() for path in ("", f"/{endpoint['id']}/releases")]
        caller.run(endpoint)
        caller.runpod.fault("no_capacity")
    with started(file) as caller:
        after = [caller.call("GET", path).json() for path in ("", f"/{endpoint['id']}/releases")]
        assert [shown(each) for each in after[0]["endpoints"]] == [shown(each) for each in before[0]["endpoints"]]
        assert after[0]["endpoints"][0]["requestUrls"]["run"].startswith(caller.runpod.data_url)
        assert after[1]["releases"] == before[1]["releases"]
        assert caller.runpod.workers == caller.runpod.jobs == caller.runpod.account.faults.active == []
        again = after[0]["endpoints"][0]
        assert caller.health(again)["jobs"]["completed"] == 1
        caller.run(again)
        caller.runpod.skip(60)
        assert caller.health(again)["jobs"]["completed"] == 2


def test_the_bill_goes_on_also_that_of_a_deleted_endpoint(file: Path) -> None:
    with started(file) as caller:
        gone, kept = caller.warm(), caller.warm()
        caller.call("DELETE", f"/{gone['id']}")
        before, seconds, cost = bill(caller), caller.runpod.billed_seconds, caller.runpod.cost
        assert {record["serverlessId"] for record in before} == {gone["id"], kept["id"]}
    with started(file) as caller:
        assert [each.id for each in caller.runpod.endpoints] == [kept["id"]]
        assert bill(caller) == before
        assert (caller.runpod.billed_seconds, caller.runpod.cost) == (seconds, cost)
        caller.warm()
        assert caller.runpod.billed_seconds > seconds


def test_its_holiday_does_not_count_as_an_endpoints(file: Path) -> None:
    with started(file) as caller:
        endpoint = caller.create()
        caller.runpod.skip(2.5 * DAY)
    state = json.loads(file.read_text())
    state["origin"] = (datetime.fromisoformat(state["origin"]) - timedelta(days=10)).isoformat()
    file.write_text(json.dumps(state))
    with started(file) as caller:
        path = f"/{endpoint['id']}"
        assert caller.runpod.account.now == pytest.approx(10 * DAY, abs=60)
        assert caller.call("GET", path).json()["workers"]["max"] == BODY["workers"]["max"]
        caller.runpod.skip(4 * DAY)
        caller.call("PATCH", path, {"workers": {"max": 2}})
        assert caller.call("GET", path).json()["workers"]["max"] == 2
        caller.runpod.skip(7 * DAY)
        assert caller.call("GET", path).json()["workers"]["max"] == 0
    with started(file) as caller:
        assert caller.call("GET", path).json()["workers"]["max"] == 0


def test_time_that_was_skipped_is_not_taken_back(file: Path) -> None:
    with started(file) as caller:
        caller.create()
        caller.runpod.skip(DAY)
        before = caller.runpod.account.clock.date(caller.runpod.account.now)
        caller.create()
    with started(file) as caller:
        assert caller.runpod.account.clock.date(caller.runpod.account.now) >= before


def test_it_is_kept_before_the_reply_so_that_a_kill_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", package.__name__, "--speed", "1", "--key", "k", "--state", str(tmp_path / "s")]

    def endpoints(after: dict[str, Any] | None) -> list[str]:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as program:
            url = f"{json.loads(program.stdout.readline())['control_url']}/serverless"
            with httpx.Client(headers={"Authorization": "Bearer k"}, trust_env=False) as http:
                ids = [each["id"] for each in http.get(url).json()["endpoints"]]
                if after:
                    ids.append(http.post(url, json=after).json()["id"])
                elif ids:
                    http.delete(f"{url}/{ids[0]}")
            program.kill()
        return ids

    made = endpoints(BODY)
    assert endpoints(None) == made
    assert endpoints(None) == []
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "origin": "x", "now": 0}'])
def test_a_file_that_makes_no_sense_is_put_aside(file: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with started(file) as caller:
        made = caller.create()
    assert file.with_name("gpu.json.broken").read_text() == text
    assert "gpu.json can't be read" in capfd.readouterr().err
    with started(file) as caller:
        assert [each.id for each in caller.runpod.endpoints] == [made["id"]]


def test_a_disk_that_takes_nothing_is_told_once_and_tried_again(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with started(file) as caller:
        shutil.rmtree(file.parent)
        caller.create()
        caller.create()
        assert capfd.readouterr().err.count("the state can't be kept") == 1
        file.parent.mkdir()
    with started(file) as caller:
        assert len(caller.runpod.endpoints) == 2
