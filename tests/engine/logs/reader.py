"""A page: takes an event stream apart as a browser does, and keeps what it shows."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from types import TracebackType

from releases.logs import stream
from releases.logs.fanout import current_hub
from releases.logs.presence import Viewer


async def always() -> bool:
    """A person who may stay."""
    return True


class Page:
    """Opens a stream and applies its events strictly: a byte twice or left out is an AssertionError."""

    def __init__(self, deployment_id: int, cursor: str = "", user: int = 1) -> None:
        self.deployment_id, self.cursor = deployment_id, cursor
        self.viewer = Viewer(user, f"user {user}", "devops", float(user))
        self.logs: dict[int, bytes] = defaultdict(bytes)
        self.first: dict[int, tuple[int, int]] = {}
        self.names: list[str] = []
        self.data: list[dict[str, object]] = []
        self.pings = 0
        self.still_allowed = always
        self.read = asyncio.Event()
        self.read.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Page":
        self.open()
        await self.until(lambda: self.pings > 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def open(self) -> None:
        """Connect, going on at the cursor."""
        body = stream.events(self.deployment_id, self.cursor, lambda: self.still_allowed(), self.viewer)
        self._task = asyncio.create_task(self._consume(body))

    async def close(self) -> None:
        """Close the tab."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*current_hub()._spawned, return_exceptions=True)
        if not self._task.cancelled() and (error := self._task.exception()):
            raise error

    async def ended(self, seconds: float = 10) -> str:
        """Wait for the stream's end; the name of its last event."""
        assert self._task is not None
        async with asyncio.timeout(seconds):
            await self._task
        await asyncio.gather(*current_hub()._spawned, return_exceptions=True)
        return self.names[-1]

    async def until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        """Wait until the page shows something."""
        assert self._task is not None
        async with asyncio.timeout(seconds):
            while not condition():
                if self._task.done():
                    self._task.result()
                    assert condition(), f"the stream ended: {self.names}"
                await asyncio.sleep(0.005)

    async def _consume(self, body: AsyncIterator[bytes]) -> None:
        try:
            async for block in body:
                await self.read.wait()
                self._apply(block)
        finally:
            await body.aclose()  # type: ignore[attr-defined]

    def _apply(self, block: bytes) -> None:
        assert block.endswith(b"\n\n") and b"\n\n" not in block[:-2]
        if block.startswith(b":"):
            self.pings += 1
            return
        fields = dict(line.split(": ", 1) for line in block.decode().strip().splitlines())
        data = json.loads(fields["data"])
        if fields["event"] == "log":
            self._log(data)
        self.cursor = fields.get("id", self.cursor)
        self.names.append(fields["event"])
        self.data.append(data)

    def _log(self, data: dict[str, object]) -> None:
        attempt, offset = int(str(data["attempt"])), int(str(data["offset"]))
        begin, line = self.first.setdefault(attempt, (offset, int(str(data["line"]))))
        shown = self.logs[attempt]
        assert offset == begin + len(shown), "a byte twice or left out"
        assert data["line"] == line + shown.count(b"\n")
        self.logs[attempt] = shown + base64.b64decode(str(data["data"]))
