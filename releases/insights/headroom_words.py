"""What the rules about a host's headroom say, in the reader's language."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.insights.answer_times import LEAST_SAMPLES, WINDOW, AnswerTimes
from releases.insights.credits import Balance
from releases.models import CapacitySample

_TITLES: Final[dict[str, Promise]] = {
    "credit": gettext_lazy("CPU credits (estimate): at least 20 %"),
    "cpu": gettext_lazy("CPU over a week: at most 70 %"),
    "memory": gettext_lazy("Memory: at most 80 %"),
    "response": gettext_lazy("Response time (p95): at most 500 ms"),
    "connections": gettext_lazy("Connections of PostgreSQL: at most 80 %"),
    "disk": gettext_lazy("Disk: at most 90 %"),
}
_NEXT: Final[dict[str, Promise]] = {
    "credit": gettext_lazy(
        "See below which component uses the CPU. If it stays above the baseline, take the next size or a type without"
        " credits."
    ),
    "cpu": gettext_lazy(
        "See below which component uses it. If that is the application at work, take the next size, or move the"
        " database to a host of its own; the costs page has both side by side."
    ),
    "memory": gettext_lazy(
        "There is no swap, on purpose: what asks for more is ended. Lower the heap or the database's cache, or take"
        " the next size. Two copies of the application beside each other (blue-green) need 16 GB."
    ),
    "response": gettext_lazy(
        "See whether CPU, memory or connections are near their limit, too. If not, look for slow queries and slow calls"
        " to others: a larger machine does not help there. If they are, take the next size, or move the database to a"
        " host of its own."
    ),
    "connections": gettext_lazy(
        "Look for connections that are left open, then measure before the pool is made larger: on few vCPUs a larger"
        " pool is slower. After that a pooler before the database, or a higher max_connections with the memory for it."
    ),
    "disk": gettext_lazy(
        "Remove old backups and logs, or enlarge the volume. A deployment needs room for its backup, too."
    ),
}
_MISSING: Final[dict[str, Promise]] = {
    "cpus": gettext_lazy("the number of CPUs (nproc)"),
    "memory": gettext_lazy("the memory (free)"),
    "cpu": gettext_lazy("the CPU (/proc/stat)"),
    "disk": gettext_lazy("the disk"),
    "processes": gettext_lazy("the processes (ps)"),
    "units": gettext_lazy("the systemd units of the processes (/proc/*/cgroup)"),
    "connections": gettext_lazy("the connections of PostgreSQL"),
    "max_connections": gettext_lazy("how many connections PostgreSQL allows"),
}


def title(code: str) -> str:
    """The rule with its limit."""
    return str(_TITLES[code])


def next_step(code: str) -> str:
    """What the seed recommends."""
    return str(_NEXT[code])


def nothing_read() -> str:
    """No reading yet."""
    return _("Nothing was read from this host yet.")


def too_old() -> str:
    """The newest reading tells nothing about now."""
    return _("The last reading is too old to tell how it is now.")


def could_not_read(missing: Iterable[str]) -> list[str]:
    """What could not be read, in words, with what the host said about it."""
    found = []
    for entry in missing:
        code, _space, more = entry.partition(" ")
        word = str(_MISSING.get(code, code))
        found.append(f"{word}: {more}" if more else word)
    return found


def missing(code: str, entries: Iterable[str]) -> str:
    """Why a rule has no figure."""
    own = [entry for entry in entries if entry.partition(" ")[0] in {code, f"max_{code}"}]
    return _("Not read: %s.") % ", ".join(could_not_read(own or [code]))


def credit_words(held: Balance, mean: float, baseline: int, hours: int) -> str:
    """What the estimate rests on."""
    words = {"mean": f"{mean:.0f}", "baseline": baseline, "hours": hours}
    said = {"least": f"{held.least:.0f}", "most": f"{held.most:.0f}"}
    if said["least"] == said["most"]:
        sentence = _(
            "An estimate, not the provider's own count: %(least)s %% of a full balance. CPU %(mean)s %% on average"
            " over %(hours)s hours that were read, baseline %(baseline)s %%."
        )
    else:
        sentence = _(
            "An estimate, not the provider's own count: between %(least)s and %(most)s %% of a full balance, by what"
            " it held before the first reading. CPU %(mean)s %% on average over %(hours)s hours that were read,"
            " baseline %(baseline)s %%."
        )
    return sentence % (words | said)


def cpu(mean: float, hours: int) -> str:
    """How much of the week is known."""
    words = {"mean": f"{mean:.0f}", "hours": hours}
    return _("%(mean)s %% on average over %(hours)s of the last 168 hours.") % words


def nothing_asked() -> str:
    """No service of the environment is watched."""
    return _("No health check of this environment is on, so nothing is measured.")


def answers(found: Sequence[AnswerTimes], fresh_since: datetime) -> str:
    """Of each service its time, or why it is not known; and what it was measured over."""
    return _(
        "By Cloud Wiki's health checks of this environment over the last %(hours)s hours, one request of each"
        " minute: %(services)s."
    ) % {
        "hours": int(WINDOW.total_seconds() // 3600),
        "services": "; ".join(_answers_of(one, fresh_since) for one in found),
    }


def _answers_of(one: AnswerTimes, fresh_since: datetime) -> str:
    words = {"service": one.service, "samples": f"{one.samples:,}", "least": f"{LEAST_SAMPLES:,}"}
    if one.at is None:
        return _("%(service)s: no answer") % words
    if one.at < fresh_since:
        return _("%(service)s: no answer of the last 15 minutes (samples: %(samples)s)") % words
    if one.samples < LEAST_SAMPLES:
        return _("%(service)s: too few to say (samples: %(samples)s of at least %(least)s)") % words
    if one.ran_out:
        limit = _("%(service)s: more than 5 of 100 requests got no answer within %(limit)s s (samples: %(samples)s)")
        return limit % (words | {"limit": f"{one.limit:g}"})
    return _("%(service)s: %(time)s ms (samples: %(samples)s)") % (words | {"time": f"{ceil(one.p95):,}"})


def used(code: str, sample: CapacitySample) -> str:
    """The two numbers behind a share."""
    if code == "connections":
        return _("%(used)s of %(all)s connections.") % {"used": sample.connections, "all": sample.max_connections}
    if code == "memory":
        part, whole, path = sample.memory_used or 0, sample.memory_total or 0, ""
    else:
        fullest = max(sample.disks, key=lambda disk: disk["used"] / disk["total"])
        part, whole, path = fullest["used"], fullest["total"], fullest["path"]
    words = {"used": f"{part / 1e9:.1f}", "all": f"{whole / 1e9:.1f}", "path": path}
    if path:
        return _("%(used)s of %(all)s GB used on %(path)s.") % words
    return _("%(used)s of %(all)s GB used, caches not counted.") % words
