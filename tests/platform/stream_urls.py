"""The project's addresses, one stream that says goodbye, and one that never listens to anybody."""

import asyncio
from collections.abc import AsyncIterator

from django.http import HttpRequest, StreamingHttpResponse
from django.urls import include, path

from cloudwiki.shutdown import stopping


async def _polite() -> AsyncIterator[bytes]:
    yield b"data: hello\n\n"
    while not await stopping.wait(15):
        yield b": ping\n\n"
    yield b"event: bye\ndata:\n\n"


async def _deaf() -> AsyncIterator[bytes]:
    while True:
        yield b"data: hello\n\n"
        await asyncio.sleep(0.2)


async def polite(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_polite(), content_type="text/event-stream")


async def deaf(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_deaf(), content_type="text/event-stream")


urlpatterns = [path("polite", polite), path("deaf", deaf), path("", include("cloudwiki.urls"))]
