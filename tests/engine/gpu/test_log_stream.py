"""A worker's log on its way to a page: whole, once, and without secrets."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from releases.models import GpuEndpoint
from releases.views import gpu_logs

from .fleet import Fleet

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 30


def events(data: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Id, name and data of each event."""
    found = []
    for block in data.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
    return found


async def read(client: AsyncClient, path: str, enough: Callable[[str], bool], after: str = "") -> str:
    """The stream until it is enough."""
    answer = await client.get(path, headers={"Last-Event-ID": after} if after else {})
    assert answer.status_code == 200, answer.content
    said = ""
    async with asyncio.timeout(SECONDS), aclosing(cast(Any, answer.streaming_content)) as body:
        async for piece in cast(AsyncIterator[bytes], body):
            said += piece.decode()
            if enough(said):
                break
    return said


def with_worker(fleet: Fleet) -> tuple[GpuEndpoint, str]:
    """An endpoint and one of its workers, just asked for something."""
    fleet.stage.secret("hf_token", "hf_this_is_a_secret_token")
    row = fleet.endpoint(fleet.deploy("v1", secret_env={"HF_TOKEN": "hf_token"}))
    return row, fleet.runpod.endpoint(row.ref).workers[0].id


def path_of(row: GpuEndpoint, worker: str) -> str:
    return f"/gpu/endpoints/{row.pk}/workers/{worker}/log-events"


def test_its_lines_arrive_and_go_on_where_they_stopped(fleet: Fleet) -> None:
    row, worker = with_worker(fleet)

    async def scenario() -> tuple[str, str]:
        client = AsyncClient()
        await sync_to_async(client.force_login)(fleet.world.requester)
        first = await read(client, path_of(row, worker), lambda said: len(events(said)) >= 3)
        last = events(first)[1][0]
        second = await read(client, path_of(row, worker), lambda said: len(events(said)) >= 1, after=last)
        return first, second

    first, second = asyncio.run(scenario())
    lines = events(first)
    assert all(name == "line" and data["text"] for _id, name, data in lines)
    assert events(second)[0] == lines[2]  # behind the second: nothing lost, nothing twice
    assert "hf_this_is_a_secret_token" not in first + second and fleet.runpod.key not in first + second


def test_a_secret_in_the_log_is_masked(fleet: Fleet) -> None:
    """The worker prints its environment, as images do when they start."""
    row, _worker = with_worker(fleet)
    masker = gpu_logs.StreamMasker(gpu_logs._hidden(row))
    line = gpu_logs.LogLine("1", f"HF_TOKEN=hf_this_is_a_secret_token key={fleet.runpod.key}")
    shown = gpu_logs._event(line, masker).decode()
    assert "hf_this_is_a_secret_token" not in shown and fleet.runpod.key not in shown and "HF_TOKEN=" in shown
    env = fleet.runpod.endpoint(row.ref).settings["env"]
    assert gpu_logs._secret_variables(row, env) == ["hf_this_is_a_secret_token"]


def test_an_endpoint_that_is_gone_is_said_and_the_page_asks_no_more(fleet: Fleet) -> None:
    row, worker = with_worker(fleet)
    GpuEndpoint.objects.filter(pk=row.pk).update(ref="nothere")

    async def scenario() -> str:
        client = AsyncClient()
        await sync_to_async(client.force_login)(fleet.world.requester)
        return await read(client, path_of(row, worker), lambda said: "event: done" in said)

    names = [name for _id, name, _data in events(asyncio.run(scenario()))]
    assert names == ["problem", "done"]


def test_it_is_for_members(fleet: Fleet) -> None:
    row, worker = with_worker(fleet)

    async def scenario() -> list[int]:
        nobody, outsider = AsyncClient(), AsyncClient()
        await sync_to_async(outsider.force_login)(fleet.world.outsider)
        return [(await one.get(path_of(row, worker))).status_code for one in (nobody, outsider)]

    assert asyncio.run(scenario()) == [401, 404]


def test_too_many_at_once_are_told_to_wait(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    row, worker = with_worker(fleet)
    monkeypatch.setattr(gpu_logs, "_free", threading.BoundedSemaphore(1))

    async def scenario() -> tuple[int, int]:
        client = AsyncClient()
        await sync_to_async(client.force_login)(fleet.world.requester)
        first = await client.get(path_of(row, worker))
        async with aclosing(cast(Any, first.streaming_content)) as body:
            await anext(body)
            second = await client.get(path_of(row, worker))
        return first.status_code, second.status_code

    assert asyncio.run(scenario()) == (200, 503)
