"""Who is watching a deployment: a Redis hash with one field for each open page, refreshed while it is open."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import redis
import redis.asyncio

from releases.logs.hub import publisher, stream_key

FADES = 40  # seconds after which a page that says nothing counts as closed (its process died)
_EXPIRES = 120
STREAMS = "cloudwiki:streams"  # every open page of the installation, with the Unix time it was last heard of


@dataclass(frozen=True)
class Viewer:
    """A person in front of a page. `since` is a Unix time in seconds."""

    user_id: int
    name: str
    role: str
    since: float


def watchers(deployment_id: int) -> list[Viewer]:
    """Everybody who watches, each person once, longest first. Empty when Redis does not answer."""
    try:
        fields = publisher.connection().hgetall(_key(deployment_id))
    except (redis.RedisError, OSError):
        return []
    return _people(fields.values())


async def count(client: "redis.asyncio.Redis", deployment_id: int) -> int:
    """How many people watch. Forgets pages that have faded."""
    fields = await client.hgetall(_key(deployment_id))
    faded = [name for name, value in fields.items() if not _is_fresh(value)]
    if faded:
        await client.hdel(_key(deployment_id), *faded)
    return len(_people(fields.values()))


async def announce(client: "redis.asyncio.Redis", deployment_id: int, page: str, viewer: Viewer, *, new: bool) -> None:
    """Say that a page is open; `new` tells the other pages. To be repeated well within FADES seconds."""
    value = json.dumps({**asdict(viewer), "seen": time.time()})
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.hset(_key(deployment_id), page, value)
        pipeline.expire(_key(deployment_id), _EXPIRES)
        pipeline.zadd(STREAMS, {page: time.time()})
        pipeline.expire(STREAMS, _EXPIRES)
        if new:
            pipeline.zremrangebyscore(STREAMS, "-inf", time.time() - FADES)
            _tell(pipeline, deployment_id)
        await pipeline.execute()


async def leave(client: "redis.asyncio.Redis", deployment_id: int, page: str) -> None:
    """Say that a page was closed."""
    async with client.pipeline(transaction=False) as pipeline:
        pipeline.hdel(_key(deployment_id), page)
        pipeline.zrem(STREAMS, page)
        _tell(pipeline, deployment_id)
        await pipeline.execute()


def ask_streams(pipeline: "redis.client.Pipeline") -> None:
    """Ask how many pages of the installation hold an event stream, whatever they watch."""
    pipeline.zcount(STREAMS, time.time() - FADES, "+inf")


def _tell(pipeline: "redis.asyncio.client.Pipeline", deployment_id: int) -> None:
    pipeline.xadd(stream_key(deployment_id), {"kind": "watchers"}, maxlen=2000, approximate=True)
    pipeline.expire(stream_key(deployment_id), 3600)


def _key(deployment_id: int) -> str:
    return f"cloudwiki:watchers:{deployment_id}"


def _is_fresh(value: bytes | str) -> bool:
    return time.time() - float(json.loads(value)["seen"]) < FADES


def _people(values: Iterable[bytes | str]) -> list[Viewer]:
    people: dict[int, Viewer] = {}
    for value in filter(_is_fresh, values):
        fields = json.loads(value)
        del fields["seen"]
        viewer = Viewer(**fields)
        known = people.get(viewer.user_id)
        if known is None or viewer.since < known.since:
            people[viewer.user_id] = viewer
    return sorted(people.values(), key=lambda viewer: (viewer.since, viewer.user_id))
