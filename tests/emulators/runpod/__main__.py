"""The emulator as a program: python -m tests.emulators.runpod [--speed 50] [--key KEY] [--ports 8101 8102 8103]."""

import argparse
import json
import signal
from pathlib import Path

from .server import RunPod


def main() -> None:
    """Print the addresses and the key as one JSON object, and run until the first signal."""
    options = argparse.ArgumentParser()
    options.add_argument("--speed", type=float, default=50.0, help="simulated seconds in a real one")
    options.add_argument("--key")
    options.add_argument("--ports", type=int, nargs=3, default=(0, 0, 0), metavar=("CONTROL", "DATA", "ADMIN"))
    options.add_argument("--state", type=Path, metavar="FILE", help="where endpoints and the bill survive its end")
    given = options.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with RunPod(given.speed, key=given.key, ports=tuple(given.ports), state=given.state) as runpod:
        found = {name: getattr(runpod, name) for name in ("control_url", "data_url", "admin_url", "key")}
        print(json.dumps(found), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
