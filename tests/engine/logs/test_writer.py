"""Storing a log: whole, masked, fenced, taken up again anywhere."""

import hashlib
import threading
import time
import tracemalloc

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releases.logs import store
from releases.logs.masking import REPLACEMENT, StreamMasker
from releases.logs.store import LogConflict, LogWriter
from releases.models import Attempt, LogChunk, lease
from tests.engine.logs.conftest import Running
from tests.engine.logs.waiting import wait_until

SECRET = "hunter2hunter2"


def stored(running: Running) -> bytes:
    return b"".join(store.chunks(running.attempt.pk))


def test_what_is_written_is_read_back(running: Running) -> None:
    writer = running.writer()
    writer.write(b"one\ntwo\n")
    writer.close()
    assert stored(running) == b"one\ntwo\n"
    attempt = Attempt.objects.get(pk=running.attempt.pk)
    assert (attempt.log_size, attempt.log_lines, attempt.source_offset) == (8, 2, 8)
    assert writer.raw_sha256 == store.sha256(attempt.pk) == hashlib.sha256(b"one\ntwo\n").hexdigest()


def test_the_first_write_is_stored_at_once(running: Running) -> None:
    running.writer().write(b"hello\n")
    assert stored(running) == b"hello\n"


def test_what_follows_at_once_is_stored_soon_without_a_further_call(running: Running) -> None:
    writer = running.writer()
    writer.write(b"one\n")
    writer.write(b"two\n")
    writer.write(b"three")
    assert LogChunk.objects.count() == 1
    wait_until(lambda: stored(running) == b"one\ntwo\nthree", seconds=5)
    assert LogChunk.objects.count() == 2
    assert Attempt.objects.get(pk=running.attempt.pk).log_lines == 3


def test_the_background_thread_ends_with_its_connection(running: Running) -> None:
    writer = running.writer()
    writer.write(b"one\n")
    writer.write(b"two\n")
    assert [thread for thread in threading.enumerate() if thread.name == "log-flusher"]
    writer.close()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "log-flusher"], seconds=5)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        assert cursor.fetchone() == (1,)


def test_a_dropped_writer_ends_its_thread_and_stores_nothing_more(running: Running) -> None:
    writer = LogWriter(running.attempt, running.deployment.pk, running.token)
    writer.write(b"one\n")
    writer.write(b"two\n")
    del writer
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "log-flusher"], seconds=5)
    assert stored(running) == b"one\n"


def test_nothing_of_a_secret_reaches_the_database(running: Running) -> None:
    writer = running.writer(SECRET)
    for byte in b"password=" + SECRET.encode() + b"\n":
        writer.write(bytes([byte]))
        writer.flush()
    writer.close()
    assert stored(running) == b"password=" + REPLACEMENT + b"\n"
    assert Attempt.objects.get(pk=running.attempt.pk).source_offset == len(b"password=") + len(SECRET) + 1


def test_a_character_split_across_writes_is_whole(running: Running) -> None:
    writer = running.writer(SECRET)
    for byte in "배포 완료 ✔\n".encode():
        writer.write(bytes([byte]))
        writer.flush()
    assert stored(running).decode() == "배포 완료 ✔\n"
    assert store.lines(running.attempt.pk, 1, 1)[0].data.decode() == "배포 완료 ✔"


def test_binary_bytes_are_kept(running: Running) -> None:
    raw = bytes(range(256)) * 3
    writer = running.writer()
    writer.write(raw)
    writer.close()
    assert stored(running) == raw


def test_an_empty_log_is_stored_as_nothing(running: Running) -> None:
    writer = running.writer(SECRET)
    writer.write(b"")
    writer.close()
    writer.close()
    assert LogChunk.objects.count() == 0


def test_writing_after_the_end_is_refused(running: Running) -> None:
    writer = running.writer()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"late")


def test_a_driver_that_lost_the_lease_is_fenced_and_stores_nothing(running: Running) -> None:
    old = running.writer()
    old.write(b"one\n")
    lease.release(running.deployment.pk, running.token)
    running.token = lease.take(running.deployment.pk, "another") or 0
    new = running.writer()
    new.write(b"two\n")
    time.sleep(0)  # another thread may run
    with pytest.raises(lease.Fenced):
        old.write(b"x" * (300 * 1024))
    with pytest.raises(lease.Fenced):
        old.close()
    new.write(b"three\n")
    new.close()
    assert stored(running) == b"one\ntwo\nthree\n"


def test_being_fenced_in_the_background_is_told_at_the_next_write(running: Running) -> None:
    writer = running.writer()
    writer.write(b"one\n")
    writer.write(b"two\n")
    lease.release(running.deployment.pk, running.token)
    lease.take(running.deployment.pk, "another")
    wait_until(lambda: writer._error is not None, seconds=5)
    with pytest.raises(lease.Fenced):
        writer.write(b"three\n")
    assert stored(running) == b"one\n"


def test_two_writers_of_one_attempt_cannot_both_store(running: Running) -> None:
    first, second = running.writer(), running.writer()
    first.write(b"one\n")
    with pytest.raises(LogConflict):
        second.write(b"uno\n")
    assert stored(running) == b"one\n"


def test_after_a_database_error_a_new_writer_goes_on_without_loss(running: Running) -> None:
    writer = running.writer()
    writer.write(b"one\n")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE releases_logchunk RENAME TO releases_away")
    with pytest.raises(Exception, match="releases_logchunk"):
        writer.write(b"x" * 300_000)
    with pytest.raises(Exception, match="releases_logchunk"):
        writer.close()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE releases_away RENAME TO releases_logchunk")
    again = running.writer()
    assert again.source_offset == 4
    assert again.raw_sha256 is None
    again.write(b"two\n")
    again.close()
    assert stored(running) == b"one\ntwo\n"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([SECRET.encode(), b"hunter2", b"\n", b"log line\n", "한글".encode(), b"\xff"]), max_size=20
    ).map(b"".join),
    st.lists(st.integers(1, 30), max_size=6),
)
def test_another_driver_may_take_over_anywhere(running: Running, raw: bytes, sizes: list[int]) -> None:
    attempt = running.add_attempt(f"s{time.monotonic_ns()}")
    for size in sizes:
        writer = running.writer(SECRET, attempt=attempt)
        writer.write(raw[writer.source_offset :][:size])
        writer.flush()
        writer.abandon()  # killed: what it held back is gone
    writer = running.writer(SECRET, attempt=attempt)
    writer.write(raw[writer.source_offset :])
    writer.close()
    masker = StreamMasker([SECRET])
    expected = masker.feed(raw) + masker.flush()
    assert b"".join(store.chunks(attempt.pk)) == expected
    lines = store.lines(attempt.pk, 1, 1000)
    assert b"\n".join(line.data for line in lines) == expected.removesuffix(b"\n")
    assert len(lines) == Attempt.objects.get(pk=attempt.pk).log_lines


def test_200_000_lines_are_stored_fast_in_bounded_memory(running: Running) -> None:
    block = b"".join(
        b"%08d some output of a step that talks and talks and talks, and does not stop at all yet\n" % i
        for i in range(200_000)
    )
    writer = running.writer(SECRET, "another-secret-of-ours")
    started = time.monotonic()
    for start in range(0, len(block), 32 * 1024):
        writer.write(block[start : start + 32 * 1024])
    writer.close()
    took = time.monotonic() - started
    assert Attempt.objects.get(pk=running.attempt.pk).log_lines == 200_000
    assert took < 10, f"{took:.1f} s"  # bench/stream.py measures against the goal of 1 s; this notices a collapse


def test_an_endless_line_takes_bounded_memory(running: Running) -> None:
    writer = running.writer(SECRET)
    chunk = b"x" * (64 * 1024)
    writer.write(chunk)
    tracemalloc.start()
    try:
        for _ in range(160):  # 10 MB without a newline
            writer.write(chunk)
        writer.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024
    [line] = store.lines(running.attempt.pk, 1, 10)
    assert (len(line.data), line.is_cut, line.number) == (store.MAX_LINE, True, 1)
