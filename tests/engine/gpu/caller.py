"""Plain HTTP calls to the emulator of RunPod."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.emulators.runpod import RunPod

MODEL = "Qwen/Qwen2.5-7B-Instruct"
BODY: dict[str, Any] = {
    "name": "qwen-green-r42",
    "type": "QUEUE",
    "image": "runpod/worker-v1-vllm:v2.25.2",
    "disk": 60,
    "gpu": {
        "pools": ["AMPERE_24"],
        "excludedTypes": ["NVIDIA RTX A5000", "NVIDIA GeForce RTX 3090"],
        "count": 1,
        "minCudaVersion": "13.0",
    },
    "workers": {"min": 0, "max": 2, "idleTimeout": 30},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "timeout": 300000,
    "flashboot": "FLASHBOOT",
    "env": {"MODEL_NAME": MODEL, "RUNPOD_INIT_TIMEOUT": "800"},
}
COLD = 10  # s from the first job to a worker that is ready: pulling and starting


class Caller:
    """`call` takes a method and a path on the control port; what concerns jobs takes an endpoint as it was created."""

    def __init__(self, runpod: RunPod) -> None:
        self.runpod = runpod
        self.http = httpx.Client(headers={"Authorization": f"Bearer {runpod.key}"}, trust_env=False, timeout=20)

    def call(self, method: str, path: str = "", json: Any = None) -> httpx.Response:
        return self.http.request(method, f"{self.runpod.control_url}/serverless{path}", json=json)

    def create(self, **changes: Any) -> dict[str, Any]:
        reply = self.call("POST", json={**BODY, **changes})
        assert reply.status_code == 201, reply.text
        return reply.json()

    def workers(self, endpoint: dict[str, Any]) -> list[str]:
        """Statuses of its workers."""
        found = self.call("GET", f"/{endpoint['id']}/workers").json()
        assert found["summary"]["total"] == len(found["workers"])
        return [worker["status"] for worker in found["workers"]]

    def health(self, endpoint: dict[str, Any]) -> dict[str, Any]:
        return self.http.get(endpoint["requestUrls"]["health"]).json()

    def run(self, endpoint: dict[str, Any], prompt: str = "What is 2+2?", **policy: int) -> str:
        """The id of a new job."""
        given = {"messages": [{"role": "user", "content": prompt}], "sampling_params": {"max_tokens": 100}}
        reply = self.http.post(endpoint["requestUrls"]["run"], json={"input": given, "policy": policy})
        assert reply.json()["status"] == "IN_QUEUE", reply.text
        return reply.json()["id"]

    def on(self, endpoint: dict[str, Any], name: str, job: str) -> httpx.Response:
        """One of status, stream, cancel and retry."""
        method = "GET" if name in {"status", "stream"} else "POST"
        return self.http.request(method, endpoint["requestUrls"][name].replace("{job_id}", job))

    def status(self, endpoint: dict[str, Any], job: str) -> str:
        return self.on(endpoint, "status", job).json()["status"]

    def warm(self, **changes: Any) -> dict[str, Any]:
        """A new endpoint with a worker that has done a job."""
        endpoint = self.create(**changes)
        job = self.run(endpoint)
        self.runpod.skip(COLD + 1)
        assert self.status(endpoint, job) == "COMPLETED"
        return endpoint


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def said(job: dict[str, Any]) -> str:
    """The text of a job's answer."""
    return str(job["output"][0]["choices"][0]["message"]["content"])
