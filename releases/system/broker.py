"""What Redis knows of the installation: its own round trip, the queue, the pages that are open."""

from dataclasses import dataclass

import redis
from celery import current_app

from cloudwiki import reach
from releases.logs import presence

TAKEN = "unacked"  # kombu's hash of messages that a worker holds and has not acknowledged


@dataclass(frozen=True)
class Broker:
    """`answer` says whether Redis answered; without one the counts are None."""

    answer: reach.Answer
    waiting: int | None = None  # messages that no worker took yet
    taken: int | None = None  # messages that a worker works on, or keeps until they are due
    streams: int | None = None  # event streams of open pages, over all web processes


def look() -> Broker:
    """Ask now; takes about a second at most."""
    try:
        with reach.redis_client() as client:
            answer = reach.ping(client)
            with client.pipeline(transaction=False) as pipeline:
                pipeline.llen(current_app.conf.task_default_queue)
                pipeline.hlen(TAKEN)
                presence.ask_streams(pipeline)
                waiting, taken, streams = pipeline.execute()
    except (redis.RedisError, OSError) as error:
        return Broker(reach.Answer(None, type(error).__name__))
    return Broker(answer, waiting, taken, streams)
