"""Backing up, sending and putting back, against the same by hand in the same run.

python -m bench.backups [MEGABYTES [ROUNDS]]

Ours and by hand take turns, and who begins changes from round to round; the medians are compared. Before each, what the
one before wrote is on the disk. The same formats and options on both sides: `pg_dump -Fc`, one job, a file of the same
bytes, one disk, the stock sshd; what is sent takes the place of an older file. The bare commands leave out what our
steps do besides; the lines "checked" have the part of it that a careful person types: SHA-256 of both sides, the look
whether a dump is whole and its copy here, ANALYZE after a restore. Only ours also read each table for the proof,
encrypt the copy and swap the database.
"""

from __future__ import annotations

import os
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bench.stage import stage

if TYPE_CHECKING:
    from bench.by_hand import Act
    from bench.site import Site

MEGABYTES = 500  # of the file, and about that of the tables
ROUNDS = 5  # that count, after one that warms up
CHECKED_ROUNDS = 3
GOAL = 1.1  # times by hand
COPIES = ("cp", "back: cp")  # shown without a goal: ours reads each copy once more for its SHA-256
ROWS = (
    ("dump", "dump", "pg_dump"),
    ("restore, with the swap", "data", "back: pg_restore"),
    ("send, against scp", "send", "scp"),
    ("send, against rsync", "send", "rsync"),
    ("back up a file", "files", "cp"),
    ("put a file back", "files_back", "back: cp"),
)

Times = defaultdict[str, list[float]]


def measure(megabytes: int = MEGABYTES, rounds: int = ROUNDS) -> Iterator[str]:
    """A line for each kind of work: ours, by hand, and the ratio; and one against the checked way by hand."""
    from bench.by_hand import CHECKED
    from bench.site import site

    with site(megabytes) as place:
        times = _rounds(place, rounds)
    yield f"a file of {megabytes} MB of noise, and a database of about that size; medians of {rounds} rounds"
    yield f"load at the end {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    for name, step, other in ROWS:
        ours = statistics.median(times[step])
        for act in (other, other + CHECKED):
            if act not in times:
                continue
            hand = statistics.median(times[act])
            goal = (
                ""
                if act.endswith(CHECKED) or act in COPIES
                else f"   goal <= {GOAL}{'' if ours <= GOAL * hand else ': misses'}"
            )
            shown = act.removeprefix("back: ")
            yield f"{name:<24}{ours:7.2f} s   {shown:<20}{hand:7.2f} s   {ours / hand:5.2f} x{goal}"
            name = ""


def _rounds(place: Site, rounds: int) -> Times:
    """Every sample of every step and act, the first round left out."""
    from bench import by_hand
    from bench.site import Ours

    ours, times = Ours(place), defaultdict[str, list[float]](list)
    for number in range(rounds + 1):
        counted = times if number else defaultdict[str, list[float]](list)
        bare = number == 0 or number > CHECKED_ROUNDS
        for mark, steps, acts in (
            ("", ours.forth, by_hand.forth(place)),
            ("back: ", ours.back, by_hand.back(place)),
        ):
            chosen = [act for act in acts if not (bare and act.name.endswith(by_hand.CHECKED))]
            for turn in (0, 1):
                if (turn + number) % 2:
                    _hand(place, chosen, mark, counted)
                else:
                    place.settle()
                    for key, seconds in steps().items():
                        counted[key].append(seconds)
        place.clear()
    return times


def _hand(place: Site, acts: list[Act], mark: str, times: Times) -> None:
    for act in acts:
        place.settle()
        seconds = act.taken()
        if seconds is not None:
            times[mark + act.name].append(seconds)


def main(lines: Callable[..., Iterator[str]] = measure) -> None:
    """This part alone."""
    with stage():
        for line in lines(*(int(word) for word in sys.argv[1:])):
            print(line, flush=True)


if __name__ == "__main__":
    main()
