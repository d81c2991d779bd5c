"""Mask secrets in a stream of bytes.

Every occurrence of a form of a secret (encodings.py) is replaced, however the stream is cut into chunks:
what may be the beginning of one is held back until the next bytes tell. Occurrences that overlap become one
mask, so nothing of either remains. Whatever is given out depends on no byte before it, hence a stream may be
taken up again by a new masker at (raw bytes fed - `held`) with the same result. Pure Python, no Django.
"""

from bisect import bisect_left
from collections.abc import Iterable

from ahocorasick_rs import BytesAhoCorasick

from releases.logs.encodings import forms

REPLACEMENT = "••••••".encode()

_HEAD = 4  # bytes looked up at once to find where a partial match may begin
_SLICE = 1 << 18
_SMALLEST_RUN = 4096


class StreamMasker:
    """Masks one stream. Not safe for use by two threads at once.

    `feed` returns what is safe to show so far, `flush` the rest. Memory is bounded by the longest secret's form.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._patterns = sorted({form for secret in secrets for form in forms(secret)})
        self._held = b""
        if not self._patterns:
            return
        self._finder = BytesAhoCorasick(self._patterns)
        self._heads = BytesAhoCorasick({p[:_HEAD] for p in self._patterns if len(p) > _HEAD})
        self._longest = max(map(len, self._patterns))
        # A run of overlapping occurrences ("aaaa..." for the secret "aaaaaaaa") is masked in pieces of this size.
        self._run_limit = max(_SMALLEST_RUN, 4 * self._longest)

    @property
    def held(self) -> int:
        """Raw bytes taken in and not yet given out, masked or not."""
        return len(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take in raw bytes; returns masked ones: all but what may be part of a secret."""
        if not self._patterns:
            return data
        if len(data) <= _SLICE:
            return self._feed(data)
        return b"".join(self._feed(data[i : i + _SLICE]) for i in range(0, len(data), _SLICE))

    def flush(self) -> bytes:
        """The end of the stream: returns what was held back, masked where it holds a whole secret."""
        rest, self._held = self._held, b""
        if not rest:
            return b""
        return _replace(rest, self._spans(rest)[0], len(rest))

    def mask(self, data: bytes) -> bytes:
        """Mask a text that stands by itself, such as an error message; the stream is not touched."""
        other = object.__new__(StreamMasker)
        other.__dict__.update(self.__dict__, _held=b"")
        return other.feed(data) + other.flush()

    def _feed(self, data: bytes) -> bytes:
        buffer = self._held + data if self._held else data
        spans, fresh = self._spans(buffer)
        safe = fresh + self._partial_start(buffer[fresh:])
        while spans and spans[-1][1] > safe:
            safe = min(safe, spans.pop()[0])
        self._held = buffer[safe:]
        return _replace(buffer, spans, safe)

    def _spans(self, buffer: bytes) -> tuple[list[tuple[int, int]], int]:
        """Where secrets stand, in order, and from where on the buffer is read afresh.

        Occurrences that overlap are one span. One that reaches the run limit ends there: the rest is read as if
        nothing came before. They come ordered by their end, so the cut is the same however the stream arrives.
        """
        spans: list[tuple[int, int]] = []
        fresh = 0
        for _, start, end in self._finder.find_matches_as_indexes(buffer, overlapping=True):
            if start < fresh:
                continue
            while spans and spans[-1][1] > start:
                start = min(start, spans.pop()[0])
            spans.append((start, end))
            if end - start >= self._run_limit:
                fresh = end
        return spans, fresh

    def _partial_start(self, buffer: bytes) -> int:
        """Where the longest end of the buffer begins that is the beginning of a form; its length if none is."""
        size = len(buffer)
        first = max(0, size - self._longest + 1)
        tail = buffer[first:]
        for _, start, _ in self._heads.find_matches_as_indexes(tail, overlapping=True):
            if self._begins_form(tail[start:]):
                return first + start
        for start in range(max(0, len(tail) - _HEAD + 1), len(tail)):
            if self._begins_form(tail[start:]):
                return first + start
        return size

    def _begins_form(self, text: bytes) -> bool:
        at = bisect_left(self._patterns, text)
        if at < len(self._patterns) and self._patterns[at] == text:
            at += 1
        return at < len(self._patterns) and self._patterns[at].startswith(text)


def _replace(buffer: bytes, spans: list[tuple[int, int]], end: int) -> bytes:
    """The buffer up to `end` with a mask in place of each span."""
    if not spans:
        return buffer[:end]
    pieces: list[bytes] = []
    position = 0
    for start, stop in spans:
        pieces += (buffer[position:start], REPLACEMENT)
        position = stop
    pieces.append(buffer[position:end])
    return b"".join(pieces)
