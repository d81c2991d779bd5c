"""The event stream of a page: everything once, whatever breaks."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from cloudwiki.shutdown import stopping
from releases.logs import fanout, hub, presence, snapshot, store, stream, subscription
from releases.logs.hub import publisher
from releases.logs.store import in_thread
from releases.models import Deployment
from tests.engine.logs.conftest import Running
from tests.engine.logs.reader import Page
from tests.engine.logs.server import OwnValkey
from tests.engine.logs.waiting import until


@pytest.fixture
def own_valkey(settings: LazySettings, tmp_path: Path) -> Iterator[OwnValkey]:
    server = OwnValkey(tmp_path / "own")
    settings.REDIS_URL = server.url
    publisher.reset()
    yield server
    server.end()
    publisher.reset()


async def test_a_page_sees_what_is_stored_and_then_what_is_written(running: Running) -> None:
    writer, pk = await in_thread(running.writer, "hunter2hunter2"), running.attempt.pk
    await in_thread(writer.write, b"one\n")
    async with Page(running.deployment.pk) as page:
        await page.until(lambda: page.logs[pk] == b"one\n")
        await in_thread(writer.write, b"two hunter2hunter2\n")
        await in_thread(writer.write, b"\xff\x00binary")
        await in_thread(writer.close)
        await page.until(lambda: page.logs[pk] == b"one\ntwo \xe2\x80\xa2" + "•••••\n".encode() + b"\xff\x00binary")
    log = next(data for data in page.data if "offset" in data)
    assert log == {"attempt": pk, "step": "build", "offset": 0, "line": 1, "at": log["at"], "data": "b25lCg=="}


async def test_a_line_is_seen_at_once(running: Running) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    async with Page(running.deployment.pk) as page:
        await page.until(lambda: "state" in page.names)
        waits = []
        for number in range(5):
            await asyncio.sleep(0.12)  # a pause in the log, after which it is not gathered
            started = time.monotonic()
            await in_thread(writer.write, b"%d\n" % number)
            await page.until(lambda n=number: len(page.logs[pk]) == 2 * (n + 1))
            waits.append(time.monotonic() - started)
    assert sorted(waits)[2] < fanout.REFRESH / 4, "it came from the store, not live"


async def test_pages_that_are_behind_together_read_the_store_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    await in_thread(writer.write, b"one\n")
    pages = [Page(running.deployment.pk) for _ in range(20)]
    for page in pages:
        page.open()
        await page.until(lambda page=page: page.logs[pk] == b"one\n")
    reads: list[int] = []
    pieces = store.pieces

    def counted(attempt: int, offset: int, most: int) -> list[store.Piece]:
        reads.append(offset)
        return pieces(attempt, offset, most)

    monkeypatch.setattr(store, "pieces", counted)
    monkeypatch.setattr(publisher, "add", lambda *_: None)  # Redis lost it
    await in_thread(writer.write, b"two\n")
    await in_thread(writer.close)
    fanout.current_hub()._refresh_all()
    for page in pages:
        await page.until(lambda page=page: page.logs[pk] == b"one\ntwo\n")
        await page.close()
    assert reads == [4]


async def test_reconnecting_at_every_offset_misses_and_repeats_nothing(running: Running) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    text = b"first\nsecond\nthird"
    for start in range(0, len(text), 5):
        await in_thread(writer.write, text[start : start + 5])
        await in_thread(writer.flush)
    for offset in range(len(text) + 1):
        async with Page(running.deployment.pk, f"0~{pk}:{offset}") as page:
            page.logs[pk], page.first[pk] = text[:offset], (0, 1)
            await page.until(lambda page=page: page.logs[pk] == text)


async def test_a_page_that_comes_and_goes_sees_one_whole_log(running: Running) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    text = b"".join(b"line %d\n" % number for number in range(3000))
    page = Page(running.deployment.pk, f"0~{pk}:0")

    async def write() -> None:
        for start in range(0, len(text), 700):
            await in_thread(writer.write, text[start : start + 700])
        await in_thread(writer.close)

    writing = asyncio.create_task(write())
    while not writing.done():
        page.open()
        await asyncio.sleep(0.1)
        await page.close()
    await writing
    page.open()
    await page.until(lambda: page.logs[pk] == text)
    await page.close()


async def test_without_a_cursor_only_the_last_lines_come(running: Running) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    text = b"".join(b"%d\n" % number for number in range(1, 2001))
    await in_thread(writer.write, text)
    await in_thread(writer.close)
    async with Page(running.deployment.pk) as page:
        await page.until(lambda: page.logs[pk].endswith(b"2000\n"))
    assert page.logs[pk].startswith(b"1501\n")
    assert page.first[pk] == (text.index(b"1501\n"), 1501)


async def test_with_the_cursor_of_the_rendered_page_only_later_bytes_come(running: Running) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    await in_thread(writer.write, b"rendered\n")
    async with Page(running.deployment.pk, await in_thread(snapshot.cursor, running.deployment.pk)) as page:
        await in_thread(writer.write, b"live\n")
        await page.until(lambda: page.logs[pk] == b"live\n")
    assert page.first[pk] == (9, 2)
    assert "state" not in page.names


@pytest.mark.parametrize("cursor", ["garbage", "1", "~", "1~2", "1~2:x", "-1~2:3", "9" * 30 + "~", "1~1:1," * 2000])
async def test_a_bad_cursor_counts_as_none(running: Running, cursor: str) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    await in_thread(writer.write, b"one\n")
    async with Page(running.deployment.pk, cursor) as page:
        await page.until(lambda: page.logs[pk] == b"one\n")


async def test_the_log_of_another_deployment_is_never_sent(running: Running) -> None:
    other = await in_thread(running.deployment.__class__.objects.create, **await in_thread(_copy, running.deployment))
    await in_thread((await in_thread(running.writer)).write, b"secret of another team\n")
    async with Page(other.pk, f"0~{running.attempt.pk}:0") as page:
        await page.until(lambda: "state" in page.names or page.pings > 0)
        version = await in_thread(_bump, other.pk)
        await page.until(lambda: {"version": version} in page.data)
    assert not page.logs


def _copy(deployment: Deployment) -> dict[str, object]:
    names = ("environment_id", "release_id", "plan_id", "requested_by_id")
    return {name: getattr(deployment, name) for name in names} | {"idempotency_key": "another", "status": "draft"}


def _bump(pk: int) -> int:
    version = Deployment.objects.get(pk=pk).version + 1
    Deployment.objects.filter(pk=pk).update(version=version)
    hub.publish_state(pk, version)
    return version


async def test_a_change_of_state_is_told_once(running: Running) -> None:
    async with Page(running.deployment.pk) as page:
        await page.until(lambda: page.names.count("state") == 1)
        version = await in_thread(_bump, running.deployment.pk)
        await page.until(lambda: {"version": version} in page.data)
    assert page.names.count("state") == 2
    assert page.cursor.startswith(f"{version}~")


async def test_success_ends_the_stream_after_all_log(running: Running) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    async with Page(running.deployment.pk) as page:
        await in_thread(writer.write, b"x" * 600_000)
        await in_thread(writer.close)
        version = await in_thread(running.change, status="succeeded", finished_at=timezone.now())
        await in_thread(hub.publish_state, running.deployment.pk, version)
        assert await page.ended() == "done"
    assert sum(page.first[pk]) - 1 + len(page.logs[pk]) == 600_000


async def test_a_finished_deployment_is_sent_and_done(running: Running) -> None:
    await in_thread((await in_thread(running.writer)).write, b"all\n")
    await in_thread(running.change, status="succeeded", finished_at=timezone.now())
    page = Page(running.deployment.pk)
    page.open()
    assert await page.ended() == "done"
    assert page.logs[running.attempt.pk] == b"all\n"
    assert page.names == ["log", "state", "done"]


async def test_after_a_failure_pages_stay_to_see_it_resumed(running: Running) -> None:
    await in_thread(running.change, status="failed", finished_at=timezone.now())
    async with Page(running.deployment.pk) as page:
        await page.until(lambda: "state" in page.names)
        version = await in_thread(_bump, running.deployment.pk)
        await page.until(lambda: {"version": version} in page.data)
    assert "done" not in page.names


async def test_a_failure_of_long_ago_is_done(running: Running) -> None:
    await in_thread(running.change, status="failed", finished_at=timezone.now() - 2 * snapshot.RESUMABLE)
    page = Page(running.deployment.pk)
    page.open()
    assert await page.ended() == "done"


async def test_a_slow_page_keeps_little_and_catches_up_from_the_store(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflows = []
    overflow = subscription.Subscription._overflow
    monkeypatch.setattr(subscription.Subscription, "_overflow", lambda self: (overflows.append(1), overflow(self)))
    writer, pk = await in_thread(running.writer), running.attempt.pk
    text = b"".join(b"%0100d\n" % number for number in range(30_000))  # 3 MB, three times the queue
    async with Page(running.deployment.pk, f"0~{pk}:0") as page:
        page.first[pk] = (0, 1)
        page.read.clear()
        for start in range(0, len(text), 100_000):
            await in_thread(writer.write, text[start : start + 100_000])
        await in_thread(writer.close)
        await until(lambda: bool(overflows))
        queues = fanout.current_hub()._subscriptions[running.deployment.pk]
        assert all(queue._bytes <= subscription.QUEUE_BYTES for queue in queues)
        page.read.set()
        await page.until(lambda: len(page.logs[pk]) == len(text))
    assert page.logs[pk] == text


async def test_a_page_that_lost_its_right_is_sent_away(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)

    async def no_more() -> bool:
        return page.pings < 3

    page = Page(running.deployment.pk)
    page.still_allowed = no_more
    page.open()
    assert await page.ended() == "denied"
    assert page.pings == 3


async def test_the_right_is_checked_while_bytes_flow_without_a_pause(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT", 0.0)

    async def never() -> bool:
        return False

    await in_thread((await in_thread(running.writer)).write, b"one\n")
    page = Page(running.deployment.pk)
    page.still_allowed = never
    page.open()
    assert await page.ended() == "denied"
    assert not page.logs


async def test_a_stream_ends_after_its_life(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LIFETIME", 0.1)
    page = Page(running.deployment.pk)
    page.open()
    assert await page.ended() == "bye"


async def test_a_stream_says_goodbye_when_the_process_ends(running: Running) -> None:
    page = Page(running.deployment.pk)
    try:
        async with page:
            await page.until(lambda: "state" in page.names)
            stopping.set()
            assert await page.ended(seconds=2) == "bye"
        late = Page(running.deployment.pk)
        late.open()
        assert await late.ended(seconds=2) == "bye"
    finally:
        stopping.clear()


async def test_a_database_that_is_away_sends_the_page_to_reconnect(running: Running) -> None:
    await in_thread(_execute, "ALTER TABLE releases_attempt RENAME TO releases_away")
    try:
        page = Page(running.deployment.pk)
        page.open()
        assert await page.ended() == "bye"
    finally:
        await in_thread(_execute, "ALTER TABLE releases_away RENAME TO releases_attempt")


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


async def test_no_database_connection_is_held_while_streams_wait(running: Running) -> None:
    pages = [Page(running.deployment.pk, user=number) for number in range(30)]
    for page in pages:
        page.open()
    for page in pages:
        await page.until(lambda page=page: "state" in page.names)
    async with asyncio.timeout(10):
        while await in_thread(_connections) > 2:  # the fixture's and the one that asks
            await asyncio.sleep(0.05)
    for page in pages:
        await page.close()


def _connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


async def test_redis_restarting_loses_and_repeats_nothing(running: Running, own_valkey: OwnValkey) -> None:
    writer, pk = await in_thread(running.writer), running.attempt.pk
    async with Page(running.deployment.pk) as page:
        await in_thread(writer.write, b"before\n")
        await page.until(lambda: page.logs[pk] == b"before\n")
        await asyncio.to_thread(own_valkey.stop)
        await in_thread(writer.write, b"while away\n")
        await page.until(lambda: page.logs[pk] == b"before\nwhile away\n")
        await asyncio.to_thread(own_valkey.start)
        publisher.reset()
        await in_thread(writer.write, b"after\n")
        await page.until(lambda: page.logs[pk] == b"before\nwhile away\nafter\n")
        version = await in_thread(_bump, running.deployment.pk)
        await page.until(lambda: {"version": version} in page.data)


async def test_a_page_opened_without_redis_still_follows(running: Running, own_valkey: OwnValkey) -> None:
    await asyncio.to_thread(own_valkey.stop)
    writer, pk = await in_thread(running.writer), running.attempt.pk
    await in_thread(writer.write, b"one\n")
    async with Page(running.deployment.pk) as page:
        await page.until(lambda: page.logs[pk] == b"one\n")
        await in_thread(writer.write, b"two\n")
        await page.until(lambda: page.logs[pk] == b"one\ntwo\n")
    assert presence.watchers(running.deployment.pk) == []


def test_writing_goes_on_when_redis_is_gone(running: Running, own_valkey: OwnValkey) -> None:
    own_valkey.stop()
    writer = running.writer()
    for _ in range(20):
        writer.write(b"x" * 300_000)
    writer.close()
    assert running.attempt.__class__.objects.get(pk=running.attempt.pk).log_size == 6_000_000


def test_a_frozen_redis_holds_a_step_up_once_and_not_at_every_write(running: Running, own_valkey: OwnValkey) -> None:
    hub.publish_state(running.deployment.pk, 1)
    own_valkey.freeze()
    try:
        started = time.monotonic()
        hub.publish_state(running.deployment.pk, 2)
        first = time.monotonic() - started
        started = time.monotonic()
        for version in range(1000):
            hub.publish_state(running.deployment.pk, version)
        others = time.monotonic() - started
    finally:
        own_valkey.thaw()
    assert first >= hub.TIMEOUT
    assert first < 3
    assert others < 1


async def test_who_watches_is_known_and_told(running: Running) -> None:
    pk = running.deployment.pk
    async with Page(pk, user=1) as first:
        await first.until(lambda: {"count": 1} in first.data)
        async with Page(pk, user=2), Page(pk, user=2):
            await first.until(lambda: {"count": 2} in first.data)
            await until(lambda: streams() == 3)
            found = await asyncio.to_thread(presence.watchers, pk)
            assert [(viewer.user_id, viewer.name, viewer.role) for viewer in found] == [
                (1, "user 1", "devops"),
                (2, "user 2", "devops"),
            ]
        await first.until(lambda: first.data[-1] == {"count": 1})
    await until(lambda: presence.watchers(pk) == [])
    await until(lambda: streams() == 0)


def streams() -> int:
    """How many pages are open in the whole installation."""
    with hub.publisher.connection().pipeline(transaction=False) as pipeline:
        presence.ask_streams(pipeline)
        (count,) = pipeline.execute()
    return int(count)


async def test_many_who_come_and_go_at_once_are_all_counted(running: Running) -> None:
    pages = [Page(running.deployment.pk, user=number) for number in range(60)]
    for page in pages:
        page.open()
    await pages[0].until(lambda: {"count": 60} in pages[0].data)
    for page in pages:
        await page.close()
    await until(lambda: presence.watchers(running.deployment.pk) == [])


async def test_pages_of_a_dead_process_fade(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "REFRESH", 0.1)
    pk = running.deployment.pk
    async with Page(pk, user=1) as page:
        client = fanout.current_hub()._command_client()
        await presence.announce(client, pk, "left over", presence.Viewer(2, "gone", "devops", 0.0), new=True)
        await page.until(lambda: {"count": 2} in page.data)
        monkeypatch.setattr(presence, "FADES", 0.0)
        await page.until(lambda: page.data[-1] == {"count": 0})
        assert presence.watchers(pk) == []


async def test_the_hub_ends_with_its_last_page(running: Running) -> None:
    async with Page(running.deployment.pk):
        assert fanout.current_hub()._tasks
    current = fanout.current_hub()
    assert not current._tasks
    assert not current._subscriptions
    await until(lambda: not current._spawned)
