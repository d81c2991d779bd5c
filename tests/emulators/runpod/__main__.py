"""The emulator as a program: python -m tests.emulators.runpod [--sdk] [--speed 50] [--key KEY] [--ports 81 82 83]."""

import argparse
import json
import signal
from pathlib import Path

from .server import RunPod


def main() -> None:
    """Print the addresses and the key as one JSON object, and run until the first signal."""
    options = argparse.ArgumentParser()
    options.add_argument("--speed", type=float, help="simulated seconds in a real one: 50, with --sdk 1")
    options.add_argument("--sdk", action="store_true", help="workers are real processes with the runpod package")
    options.add_argument("--key")
    options.add_argument("--ports", type=int, nargs=3, default=(0, 0, 0), metavar=("CONTROL", "DATA", "ADMIN"))
    options.add_argument("--state", type=Path, metavar="FILE", help="where endpoints and the bill survive its end")
    given = options.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    more = {"key": given.key, "ports": tuple(given.ports), "state": given.state, "sdk_workers": given.sdk}
    with RunPod(given.speed, **more) as runpod:
        found = {name: getattr(runpod, name) for name in ("control_url", "data_url", "admin_url", "key")}
        print(json.dumps(found), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
