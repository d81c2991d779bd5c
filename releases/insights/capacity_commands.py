"""The commands with which a host is read: they change nothing there, and the page lists them before they run.

Each answer stands between two marks with a word that only this reading knows, so that no process on the host can make
one up by its name.
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

BETWEEN: Final = 2  # seconds between the two looks at the counters of the CPU
SECONDS: Final = 30.0  # that a whole reading may take
CAP: Final = 1 << 20  # bytes of its answer
_SQL: Final = (
    "SELECT count(*), current_setting('max_connections') FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_TICKS: Final = """cat /proc/[0-9]*/stat 2>/dev/null | awk '{p = $1; sub(/^.*\\) /, ""); print p, $12, $13}'"""


@dataclass(frozen=True)
class Command:
    """One of them. `name` tells its answer; "" answers nothing."""

    name: str
    text: str


@dataclass(frozen=True)
class DatabaseLogin:
    """How psql is asked: by whom (`sudo` or the login), and the runbook's values where there are any."""

    sudo: bool
    options: Mapping[str, str]  # of -d, -h, -p, -U

    def command(self) -> str:
        """One question that ends by itself after 5 seconds; never asks for a password."""
        given = " ".join(f"-{name} {shlex.quote(value)}" for name, value in self.options.items() if value)
        before = "sudo -n -u postgres " if self.sudo else ""
        return f'timeout 5 {before}psql -wXAtq {given}{" " if given else ""}-c "{_SQL}" 2>&1 | head -c 400'


def commands(paths: Iterable[str], database: DatabaseLogin | None) -> list[Command]:
    """All of them in their order. `database`: None counts the connections among the processes."""
    disks = [Command(f"disk {path}", f"df -Pk {shlex.quote(path)}") for path in paths]
    return [
        Command("cpus", "nproc"),
        Command("boot", "cat /proc/sys/kernel/random/boot_id"),
        Command("uptime", "cat /proc/uptime"),
        Command("load", "cat /proc/loadavg"),
        Command("memory", "free -b"),
        *disks,
        Command("cpu_before", "head -n 1 /proc/stat"),
        Command("ticks_before", _TICKS),
        Command("", f"sleep {BETWEEN}"),
        Command("cpu_after", "head -n 1 /proc/stat"),
        Command("ticks_after", _TICKS),
        Command("memories", "grep -hE '^(Pid|VmRSS|RssAnon|RssFile|RssShmem):' /proc/[0-9]*/status 2>/dev/null"),
        Command("shares", "grep -HE '^Pss:' /proc/[0-9]*/smaps_rollup 2>/dev/null"),
        Command("units", "grep -HE '^(0:|[0-9]+:name=systemd)' /proc/[0-9]*/cgroup 2>/dev/null"),
        Command(
            "processes",
            "{ ps -ww -eo pid=,user:32=,args= 2>/dev/null || ps -o pid,user,args; } | cut -c1-400",
        ),
        *([Command("database", database.command())] if database else []),
    ]


def script(asked: Iterable[Command], mark: str) -> str:
    """Shell text that runs them one after the other, each answer marked with its name and its exit code."""
    lines = ["export LC_ALL=C PGCONNECT_TIMEOUT=3"]
    for command in asked:
        if not command.name:
            lines.append(command.text)
            continue
        name = shlex.quote(command.name)
        lines += [f"printf '%s begin %s\\n' {mark} {name}", f"( {command.text}\n) 2>/dev/null"]
        lines.append(f"printf '\\n%s end %s %s\\n' {mark} $? {name}")
    return "\n".join(lines) + "\n"
