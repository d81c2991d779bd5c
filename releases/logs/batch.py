"""Turn a batch of stream entries into as few events as possible, each encoded once."""

from dataclasses import replace

from releases.logs.sse import log_event
from releases.logs.subscription import Item, LogPiece, Refresh

_MERGED_BYTES = 256 * 1024


def items_of(deployment_id: int, entries: list[dict[bytes, bytes]]) -> list[Item]:
    """What the entries say, in order: joined log pieces, then one Refresh if the state changed."""
    pieces: list[LogPiece] = []
    has_changed = False
    for fields in entries:
        if fields[b"kind"] == b"log":
            _join(pieces, _piece(fields))
        elif fields[b"kind"] == b"state":
            has_changed = True
    items: list[Item] = [_encoded(piece) for piece in pieces]
    return [*items, Refresh(deployment_id)] if has_changed else items


def _piece(fields: dict[bytes, bytes]) -> LogPiece:
    return LogPiece(
        attempt=int(fields[b"attempt"]),
        step=fields[b"step"].decode(),
        offset=int(fields[b"offset"]),
        line=int(fields[b"line"]),
        at=fields[b"at"].decode(),
        data=fields[b"data"],
        event=b"",
    )


def _join(pieces: list[LogPiece], piece: LogPiece) -> None:
    """Append to the last piece of the same attempt where it goes on from there."""
    for index in range(len(pieces) - 1, -1, -1):
        last = pieces[index]
        if last.attempt == piece.attempt:
            if last.end == piece.offset and len(last.data) + len(piece.data) <= _MERGED_BYTES:
                pieces[index] = replace(last, data=last.data + piece.data)
                return
            break
    pieces.append(piece)


def _encoded(piece: LogPiece) -> LogPiece:
    body = log_event(piece.attempt, piece.step, piece.offset, piece.line, piece.at, piece.data)
    return replace(piece, event=body)
