"""What a person types to back up, send and put back, over plain ssh."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.site import Site
from bench.ssh import expect, stock_ssh

CHECKED = ", checked"  # ends the name of an act that also makes sure of what our step makes sure of


@dataclass(frozen=True)
class Act:
    """Commands one after the other. `makes`: files that are not there before; `before`: what is done untimed."""

    name: str
    commands: tuple[list[str], ...]
    makes: tuple[Path, ...] = ()
    before: tuple[list[str], ...] = ()

    def taken(self) -> float | None:
        """Seconds; None where one of the programs is not installed."""
        if not all(shutil.which(command[0]) for command in self.commands):
            return None
        for path in self.makes:
            path.unlink(missing_ok=True)
        for command in self.before:
            _run(command)
        began = time.perf_counter()
        for command in self.commands:
            _run(command)
        return time.perf_counter() - began


def forth(place: Site) -> list[Act]:
    """Backing up and sending, each bare and checked."""
    ssh, scp, app, built = stock_ssh(place.machine), _scp(place), place.app, place.built
    copy, dump, sent, fetched = (app / f"hand.{end}" for end in ("jar", "dump", "scp", "fetched"))
    copying = f"cp -a {place.jar} {copy}"
    dumping = f"pg_dump {_reach()} -Fc -f {dump} {place.name}"
    sending = [*scp, str(built), f"{ssh[-1]}:{sent}"]
    fetching = [*scp, f"{ssh[-1]}:{dump}", str(fetched)]
    synced = app / "hand.rsync"
    syncing = ["rsync", "--whole-file", "-e", " ".join(ssh[:-1]), str(built), f"{ssh[-1]}:{synced}"]
    there, there_too = _copied(place.jar, sent), _copied(place.jar, synced)
    return [
        Act("cp", ([*ssh, copying],), (copy,)),
        Act(f"cp{CHECKED}", ([*ssh, f"{copying} && sha256sum {place.jar} {copy}"],), (copy,)),
        Act("pg_dump", ([*ssh, dumping],), (dump,)),
        Act(
            f"pg_dump{CHECKED}",
            (
                [*ssh, f"{dumping} && pg_restore --list {dump} && sha256sum {dump}"],
                fetching,
                ["sha256sum", str(fetched)],
            ),
            (dump, fetched),
        ),
        Act("scp", (sending,), before=there),
        Act(f"scp{CHECKED}", (["sha256sum", str(built)], sending, [*ssh, f"sha256sum {sent}"]), before=there),
        Act("rsync", (syncing,), before=there_too),
    ]


def back(place: Site) -> list[Act]:
    """Putting back what `forth` has made, each bare and checked."""
    ssh, app, spare = stock_ssh(place.machine), place.app, f"{place.name}_by_hand"
    copied, dump = app / "hand.back", app / "hand.dump"
    copying = f"cp -a {app}/hand.jar {copied}"
    restoring = f"createdb {_reach()} {spare} && pg_restore {_reach()} --exit-on-error -d {spare} {dump}"
    analyzing = f"psql -q {_reach()} -c ANALYZE {spare}"
    drop = ([*ssh, f"dropdb --if-exists {_reach()} {spare}"],)
    return [
        Act("cp", ([*ssh, copying],), (copied,)),
        Act(f"cp{CHECKED}", ([*ssh, f"{copying} && sha256sum {copied}"],), (copied,)),
        Act("pg_restore", ([*ssh, restoring],), before=drop),
        Act(f"pg_restore{CHECKED}", ([*ssh, f"sha256sum {dump} && {restoring} && {analyzing}"],), before=drop),
    ]


def _copied(old: Path, to: Path) -> tuple[list[str], ...]:
    """What is sent takes the place of the build before, by hand as in our step."""
    return (["cp", str(old), str(to)], ["sync"])


def _reach() -> str:
    from tests.engine.database import keys

    return " ".join(f"--{'username' if key == 'user' else key}={value}" for key, value in keys().items())


def _scp(place: Site) -> list[str]:
    """`-O`: the older and quicker way of scp, which asks nothing of the server."""
    words = stock_ssh(place.machine)[1:-1]
    port = words.index("-p")
    return ["scp", "-q", "-O", "-P", words[port + 1], *words[:port], *words[port + 2 :]]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    expect(done.returncode == 0, f"{command[0]} to work, but: {done.stderr.strip()[-300:]}")
