"""Probes that a host asks itself (its localhost), over one SSH connection per host.

A small shell loop on the host asks with curl in its own rhythm and prints a line per answer, so the time of
a connection or of the network is never part of what is measured. Losing the connection measures nothing.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from shlex import quote
from time import monotonic
from typing import Any, Final, Protocol

from releases.probes.answers import BODY_LIMIT, Answer, Check
from releases.probes.store import HostLogin
from releases.probes.tracker import period
from releases.probes.watcher import Watcher

RETRY: Final = 1.0  # seconds before a lost connection is opened again
SLACK: Final = 4.0  # seconds of silence beyond the rhythm after which a connection counts as lost
NO_CURL: Final = 127
CUT: Final = 23  # curl: the body was longer than we look at

# curl's exit codes, as codes of answers.explain
CURL: Final[Mapping[int, str]] = {6: "name:", 7: "refused", 28: "timeout:", 35: "tls:", 52: "broken:empty", 60: "tls:"}

logger = logging.getLogger(__name__)


class Connection(Protocol):
    """What is used of releases.remote's Transport."""

    def execute(
        self,
        command: str,
        stdin: Any = None,
        *,
        write: Callable[[bytes], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Any: ...

    def close(self) -> None: ...


Connect = Callable[[HostLogin], Connection]


@dataclass(frozen=True)
class Asked:
    """A check with its rhythm (seconds while up, seconds while down) on a host."""

    check: Check
    up: float
    down: float


def loop_script(asked: Iterable[Asked]) -> str:
    """The shell program that a host runs: one loop per check, each line `PROBE EXIT STATUS SECONDS FOUND`.

    It ends by itself when nobody reads its lines any more.
    """
    loops = "\n".join(_one_loop(item) for item in asked)
    return f"""trap '' XFSZ 2>/dev/null; LC_ALL=C; export LC_ALL
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP TERM INT PIPE
pause() {{ sleep "$1" 2>/dev/null || sleep 1; }}
ask() {{
  answer=$(ulimit -f {BODY_LIMIT // 512}
    curl -q -s -o "$2" -w '%{{http_code}} %{{time_total}}' --proto =http,https --noproxy '*' \
      --max-time "$3" "$4" 2>/dev/null)
  code=$?; found=1
  [ -z "$5" ] || grep -Fq -e "$5" "$2" 2>/dev/null || found=0
  printf '%s %s %s %s\\n' "$1" "$code" "${{answer:-000 0}}" "$found" || exit 0
}}
{loops}
wait
"""


def _one_loop(item: Asked) -> str:
    check = item.check
    body = f'"$folder/{check.probe}"' if check.expected_text else "/dev/null"
    return f"""(while :; do
  ask {check.probe} {body} {check.timeout:g} {quote(check.url)} {quote(check.expected_text)}
  case "$code ${{answer%% *}} $found" in
  "0 {check.expected_status} 1"|"{CUT} {check.expected_status} 1") pause {item.up:g} ;;
  *) pause {item.down:g} ;;
  esac
done) &"""


def read_line(line: str, checks: Mapping[int, Check], now: datetime) -> tuple[int, Answer] | None:
    """One line of the loop as (probe, answer); None for a line that is not the loop's."""
    words = line.split()
    try:
        probe, code, status, seconds, found = int(words[0]), int(words[1]), int(words[2]), float(words[3]), words[4]
        check = checks[probe]
    except (IndexError, ValueError, KeyError):
        return None
    ok, detail = _judge(check, code, status, found == "1")
    return probe, Answer(now - timedelta(seconds=seconds), ok, seconds * 1000, detail)


def _judge(check: Check, code: int, status: int, found: bool) -> tuple[bool | None, str]:
    if code == NO_CURL:
        return None, "curl"
    if code in {0, CUT}:
        if status != check.expected_status:
            return False, f"status:{status}"
        return (True, "") if found else (False, "text")
    detail = CURL.get(code, f"connect:curl {code}")
    return False, f"timeout:{check.timeout:g}" if code == 28 else detail


class HostLoop(threading.Thread):
    """Keeps one host's loop running in a thread; answers go to `take` in the event loop's thread."""

    def __init__(self, login: HostLogin, connect: Connect, take: Callable[[int, Answer], None]) -> None:
        super().__init__(daemon=True, name=f"probe-{login.name}")
        self.login = login
        self._connect = connect
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._wanted: tuple[Asked, ...] = ()
        self._running: tuple[Asked, ...] = ()
        self._changed = threading.Event()
        self._ended = False
        self._rest = b""
        self._heard = monotonic()
        self._connection: Connection | None = None

    def ask(self, wanted: tuple[Asked, ...]) -> None:
        """Change what is asked, or how often."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    def end(self) -> None:
        """Stop soon; the host's loop ends when its connection closes."""
        self._ended = True
        self._changed.set()
        if self._connection:
            self._connection.close()

    def run(self) -> None:
        """The thread: open, run the loop, and again after a loss."""
        while not self._ended:
            try:
                self._run_once()
            except Exception as error:
                if not self._ended:
                    self._lost(f"ssh:{error}")
                    self._changed.wait(RETRY)
        self._disconnect()

    def _run_once(self) -> None:
        self._changed.clear()
        self._running, self._rest, self._heard = self._wanted, b"", monotonic()
        if self._connection is None:
            self._connection = self._connect(self.login)
            self._heard = monotonic()
        command = f"exec /bin/sh -c {quote(loop_script(self._running))}"  # the login shell may be any
        self._connection.execute(command, write=self._read, stop=self._must_stop)
        if self._is_silent():
            self._lost("silent")
        elif not self._changed.is_set():
            self._lost("ssh:the loop on the host ended")
            self._changed.wait(RETRY)

    def _must_stop(self) -> bool:
        return self._ended or self._wanted != self._running or self._is_silent()

    def _is_silent(self) -> bool:
        longest = max((item.up + item.check.timeout for item in self._running), default=0.0)
        return monotonic() - self._heard > longest + SLACK

    def _lost(self, detail: str) -> None:
        self._disconnect()
        now = datetime.now(UTC)
        for item in self._wanted:
            self._hand_over(item.check.probe, Answer(now, None, 0.0, detail[:200]))

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            try:
                connection.close()
            except Exception:
                logger.debug("closing the connection to %s failed", self.login.name)

    def _read(self, data: bytes) -> None:
        self._heard = monotonic()
        checks = {item.check.probe: item.check for item in self._running}
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-1000:]
        for line in lines:
            if answer := read_line(line.decode(errors="replace"), checks, datetime.now(UTC)):
                self._hand_over(*answer)

    def _hand_over(self, probe: int, answer: Answer) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, probe, answer)


class HostProbers:
    """The loops of all hosts. `connect` opens a connection to a host, raising what tells the person why not."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._loops: dict[HostLogin, HostLoop] = {}
        self._watchers: dict[int, Watcher] = {}

    def follow(self, watchers: Iterable[Watcher]) -> None:
        """Start, change and end loops so that they match the watchers that have a host."""
        hosted = [watcher for watcher in watchers if watcher.watched.host]
        self._watchers = {watcher.watched.check.probe: watcher for watcher in hosted}
        wanted: dict[HostLogin, list[Asked]] = {}
        for watcher in hosted:
            active = watcher.watched.deployment is not None
            asked = Asked(watcher.watched.check, period(active=active, down=False), period(active=active, down=True))
            wanted.setdefault(watcher.watched.host, []).append(asked)  # type: ignore[arg-type]
        for login in self._loops.keys() - wanted.keys():
            self._loops.pop(login).end()
        for login, items in wanted.items():
            loop = self._loops.get(login)
            if loop is None:
                loop = self._loops[login] = HostLoop(login, self._connect, self._take)
                loop.ask(tuple(items))
                loop.start()
            loop.ask(tuple(items))

    def _take(self, probe: int, answer: Answer) -> None:
        if watcher := self._watchers.get(probe):
            watcher.accept(answer)
