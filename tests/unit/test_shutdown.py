"""What runs long learns that its process is about to end."""

import asyncio
import subprocess
import sys
from pathlib import Path

from cloudwiki.shutdown import Stopping

ROOT = Path(__file__).resolve().parent.parent.parent


async def test_waiting_ends_with_the_event() -> None:
    stopping = Stopping()
    waiting = [asyncio.create_task(stopping.wait(30)) for _ in range(3)]
    await asyncio.sleep(0)
    stopping.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 5) == [True, True, True]
    assert await stopping.wait(30), "who comes later does not wait at all"


async def test_waiting_ends_with_the_time() -> None:
    assert await Stopping().wait(0.01) is False


def test_any_event_loop_may_wait() -> None:
    stopping = Stopping()
    assert asyncio.run(stopping.wait(0.01)) is False
    stopping.set()
    assert asyncio.run(stopping.wait(30)) is True


def test_a_forked_task_sees_its_worker_stop() -> None:
    code = """
import os
from cloudwiki.shutdown import announce_worker_stop, worker_stopping
before = worker_stopping()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.read(reader, 1)
    os._exit(7 if worker_stopping() else 1)
announce_worker_stop()
os.write(writer, b"x")
print(before, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False 7\n", done.stderr
