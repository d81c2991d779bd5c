"""A worker's container: the handler of worker-vllm, on the real `runpod` SDK, with a model that costs nothing.

    python -m tests.emulators.runpod.sdk_worker

The emulator starts it and tells it by its environment where to ask for jobs. Its standard input is a pipe of the
emulator's: when that breaks, it and all it has started are killed.
"""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from typing import Any

from .container import CRASHES
from .model import EngineError, handle
from .scheduler import CRASH, ENGINE_DEAD, ENGINE_LOST


def main() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the emulator's own mask comes along with the start
    threading.Thread(target=end_with_the_emulator, daemon=True).start()
    if os.environ.get(CRASHES):
        raise RuntimeError(CRASH)
    import runpod

    print("Application startup complete.", flush=True)
    most = max(1, int(os.environ.get("MAX_CONCURRENCY", 30)))
    runpod.serverless.start(
        {"handler": answer, "concurrency_modifier": lambda _now: most, "return_aggregate_stream": True}
    )


async def answer(job: dict[str, Any]) -> AsyncIterator[Any]:
    """The faults come with the job; on the real platform there is no such field."""
    faults = job["faults"]
    await asyncio.sleep(faults["seconds"])
    if faults["engine_dead"]:
        print(ENGINE_LOST, flush=True)
        yield {"error": ENGINE_DEAD}
        return
    try:
        (reply,) = handle(os.environ, job["input"], faults["wrong_answers"])
        yield reply
    except EngineError as problem:
        yield {"error": str(problem)}


def end_with_the_emulator() -> None:
    """With the SDK's pings, which are a process of their own in the same group."""
    os.read(0, 1)  # nothing is ever written
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
