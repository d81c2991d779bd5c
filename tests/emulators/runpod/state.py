"""What survives the emulator's end: the endpoints with their ids and settings, and the bill. One JSON file."""

import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from .account import Account
from .endpoint import Endpoint, Release

FORMAT = 1


class StateFile:
    """`load` once, before anything happens; `save` as often as you like. Whoever calls holds the account's lock.

    Not kept: workers, jobs and faults. While it was off no time passes for the platform's rule about endpoints
    that nobody uses, or a demo would find all of them without workers after its holiday.
    """

    def __init__(self, path: Path, account: Account) -> None:
        self._path, self._account = path, account
        self._saved: dict[str, Any] = {}
        self._complained = False

    def load(self) -> None:
        """Take up what the file has. One that can't be read is put aside, and all begins anew."""
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return
        try:
            read(self._account, json.loads(text))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            aside = self._path.with_name(self._path.name + ".broken")
            self._path.replace(aside)
            print(f"{self._path.name} can't be read ({error!r}); it is {aside.name} now", file=sys.stderr, flush=True)
        else:
            self._saved = written(self._account)

    def save(self) -> None:
        """Write it whole and at once, if there is anything new. A full disk is told once, and tried again."""
        state = written(self._account)
        if state == self._saved:
            return
        clock = {"origin": self._account.clock.origin.isoformat(), "now": self._account.now}
        partial = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"format": FORMAT, **clock, **state}, file)
            partial.replace(self._path)
        except OSError as error:
            if not self._complained:
                print(f"the state can't be kept: {error}", file=sys.stderr, flush=True)
            self._complained = True
        else:
            self._saved, self._complained = state, False


def written(account: Account) -> dict[str, Any]:
    """All that is kept but the time. A copy: later changes don't reach it."""
    endpoints = [_written(endpoint) for endpoint in account.endpoints.values()]
    found: dict[str, Any] = json.loads(json.dumps({"endpoints": endpoints, "bill": account.meter.written()}))
    return found


def _written(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "settings": endpoint.settings,
        "created": endpoint.created,
        "version": endpoint.version,
        "releases": [asdict(release) for release in endpoint.releases],
        "counts": endpoint.counts,
        "last_request": endpoint.last_request,
    }


def read(account: Account, state: dict[str, Any]) -> None:
    """The opposite. Nothing of the account changes if the state makes no sense."""
    if state["format"] != FORMAT:
        raise ValueError(f"its format is {state['format']}, not {FORMAT}")
    origin, then = datetime.fromisoformat(state["origin"]), float(state["now"])
    reached = account.clock.since(origin, then)
    endpoints = [_read(each, reached, reached - then) for each in state["endpoints"]]
    account.meter.read(state["bill"])
    account.clock.resume(origin, reached)
    account.now = reached
    account.endpoints = {endpoint.id: endpoint for endpoint in endpoints}


def _read(kept: dict[str, Any], now: float, off: float) -> Endpoint:
    """`off`: for how many seconds the emulator was off."""
    return Endpoint(
        kept["id"],
        kept["settings"],
        kept["created"],
        kept["version"],
        releases=[Release(**release) for release in kept["releases"]],
        counts=Counter(kept["counts"]),
        last_request=kept["last_request"] + off,
        quiet_since=now,
    )
