"""How full the memory of a host is."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.actions.texts import size
from releases.models import HostLooks
from releases.risks.finding import CannotLook, Check, Finding, Target, line, ok, risk, say, warning
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of
from releases.risks.ways import Ways

TEXT: Final = "cat /proc/meminfo\n"
WARN, BAD = 80, 92  # percent; the first is the seed's own rule for another machine
SWAP = 50  # percent of the swap in use


def text(_looks: HostLooks) -> str:
    """The question."""
    return TEXT


def look(target: Target, ways: Ways) -> Finding:
    """What is available of the whole, and how much was swapped out."""
    rows = (row.split() for row in ways.ask(host_of(target), TEXT).splitlines())
    found = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) > 1 and row[1].isdecimal()}
    if not found.get("MemTotal") or "MemAvailable" not in found:
        raise CannotLook(say(_("/proc/meminfo of the host does not say what is available.")))
    total, free = found["MemTotal"], found["MemAvailable"]
    used = round(100 * (total - free) / total)
    swap, left = found.get("SwapTotal", 0), found.get("SwapFree", 0)
    swapped = round(100 * (swap - left) / swap) if swap else 0
    seen = (
        line(_("Memory"), size(total)),
        line(_("Available"), f"{size(free)} ({100 - used} %)"),
        line(_("Swap"), f"{size(swap - left)} / {size(swap)}" if swap else say(_("none"))),
    )
    said = say(_("%(n)s %% of the memory is in use."), n=used)
    mend = say(_("Find what takes it (`ps aux --sort=-rss | head`), lower its limits, or take a larger instance."))
    if used >= BAD:
        return risk(said, mend, *seen)
    if used >= WARN:
        return warning(said, mend, *seen)
    if swapped >= SWAP:
        return warning(say(_("%(n)s %% of the swap is in use."), n=swapped), mend, *seen)
    return ok(said, *seen)


CHECK = Check("memory", _("Memory"), ("contention", "vector_search", "scale_up"), hosts, asks(text), look, on_host=True)
