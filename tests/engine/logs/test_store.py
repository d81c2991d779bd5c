"""Reading stored logs."""

import hashlib

import pytest

from releases.logs import store
from releases.models import Attempt
from tests.engine.logs.conftest import Running


@pytest.fixture
def attempt(running: Running) -> Attempt:
    """Six lines in pieces that end anywhere, one of them empty, the last without its end."""
    writer = running.writer()
    for piece in (b"one\ntw", b"o\n", b"\nfour\nfi", b"ve", b"\n", b"six"):
        writer.write(piece)
        writer.flush()
    writer.close()
    return running.attempt


ALL = b"one\ntwo\n\nfour\nfive\nsix"
LINES = ALL.split(b"\n")


def test_any_part_can_be_read_by_offset(attempt: Attempt) -> None:
    for offset in range(len(ALL) + 2):
        for limit in (1, 2, 5, 100):
            assert store.read(attempt.pk, offset, limit) == ALL[offset : offset + limit]


def test_pieces_know_their_offset_and_line(attempt: Attempt) -> None:
    for offset in range(len(ALL)):
        for piece in store.pieces(attempt.pk, offset, 3):
            assert ALL[piece.offset : piece.offset + len(piece.data)] == piece.data
            assert piece.line == ALL[: piece.offset].count(b"\n") + 1


def test_any_lines_can_be_read_by_number(attempt: Attempt) -> None:
    for first in range(1, 9):
        for count in (1, 2, 3, 10):
            found = store.lines(attempt.pk, first, count)
            assert [line.data for line in found] == LINES[first - 1 : first - 1 + count]
            assert [line.number for line in found] == list(range(first, first + len(found)))
            assert all(ALL[line.offset :].startswith(line.data) for line in found)


@pytest.mark.parametrize("first", [0, -5])
def test_a_line_number_below_one_means_the_first(attempt: Attempt, first: int) -> None:
    assert store.lines(attempt.pk, first, 1)[0].data == b"one"


def test_the_last_lines(attempt: Attempt) -> None:
    assert [line.data for line in store.tail_lines(attempt.pk, 2)] == [b"five", b"six"]
    assert [line.data for line in store.tail_lines(attempt.pk, 100)] == LINES
    assert store.tail_offset(attempt.pk, 2, 1000) == ALL.index(b"five")
    assert store.tail_offset(attempt.pk, 2, 4) == len(ALL) - 4
    assert store.tail_offset(attempt.pk, 100, 1000) == 0


async def test_the_download_is_the_whole(attempt: Attempt) -> None:
    assert b"".join([data async for data in store.download(attempt.pk)]) == ALL


def test_size_lines_and_digest(attempt: Attempt) -> None:
    assert store.size_and_lines(attempt.pk) == (len(ALL), 6)
    assert store.sha256(attempt.pk) == hashlib.sha256(ALL).hexdigest()


def test_an_attempt_without_log_reads_as_nothing(running: Running) -> None:
    pk = running.attempt.pk
    assert store.read(pk, 0, 10) == b""
    assert store.lines(pk, 1, 10) == store.tail_lines(pk, 10) == []
    assert store.tail_offset(pk, 10, 10) == 0
    assert list(store.chunks(pk)) == []


def test_a_line_across_many_pieces_is_cut_and_the_next_one_is_right(running: Running) -> None:
    writer = running.writer()
    writer.write(b"short\n")
    for letter in b"abcdef":
        writer.write(bytes([letter]) * 40_000)
        writer.flush()
    writer.write(b"\nafter\n")
    writer.close()
    long, after = store.lines(running.attempt.pk, 2, 5)
    assert (long.is_cut, long.data, long.offset) == (True, b"a" * 40_000 + b"b" * (store.MAX_LINE - 40_000), 6)
    assert (after.is_cut, after.data, after.number) == (False, b"after", 3)
    assert after.offset == 6 + 240_000 + 1


def test_a_line_of_just_the_limit_is_whole(running: Running) -> None:
    writer = running.writer()
    writer.write(b"x" * store.MAX_LINE + b"\n")
    writer.close()
    [line] = store.lines(running.attempt.pk, 1, 1)
    assert (len(line.data), line.is_cut) == (store.MAX_LINE, False)
