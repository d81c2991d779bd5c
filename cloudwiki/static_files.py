"""Static files before Django: WhiteNoise finds them and their headers, we send them without blocking the loop.

WhiteNoise's own middleware is synchronous; under ASGI each file would cost a thread and be held in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, BinaryIO

from whitenoise.middleware import WhiteNoiseMiddleware

type Scope = dict[str, Any]
type Send = Callable[[Mapping[str, Any]], Awaitable[None]]
type Receive = Callable[[], Awaitable[Mapping[str, Any]]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CHUNK = 256 * 1024  # bytes
# The request headers that WhiteNoise looks at, as it expects to find them.
META = {
    b"if-none-match": "HTTP_IF_NONE_MATCH",
    b"if-modified-since": "HTTP_IF_MODIFIED_SINCE",
    b"accept-encoding": "HTTP_ACCEPT_ENCODING",
    b"range": "HTTP_RANGE",
}


class StaticFiles:
    """Serves what is a static file and hands everything else to `application`."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.files = WhiteNoiseMiddleware(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.application(scope, receive, send)
            return
        path = scope["path"]
        found = self.files.find_file(path) if self.files.autorefresh else self.files.files.get(path)
        if found is None:
            await self.application(scope, receive, send)
            return
        meta = {META[name]: value.decode("latin-1") for name, value in scope["headers"] if name in META}
        await _send_file(found.get_response(scope["method"], meta), send)


async def _send_file(response: Any, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    headers.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
    file: BinaryIO | None = response.file
    try:
        while file is not None and (chunk := await asyncio.to_thread(file.read, CHUNK)):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        if file is not None:
            file.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
