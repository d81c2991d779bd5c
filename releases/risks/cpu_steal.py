"""How busy a host's processors are, and how much of them other virtual machines take away."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import HostLooks
from releases.risks.finding import CannotLook, Check, Finding, Target, line, ok, risk, say, warning
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of, numbers
from releases.risks.ways import Ways

TEXT: Final = "head -n 1 /proc/stat; sleep 2; head -n 1 /proc/stat; nproc; cut -d' ' -f1-3 /proc/loadavg\n"
WARN, BAD = 5, 15  # percent of steal
IDLE, IOWAIT, STEAL, FIELDS = 3, 4, 7, 8  # places in /proc/stat; guest times are counted in the first already


def text(_looks: HostLooks) -> str:
    """The question."""
    return TEXT


def look(target: Target, ways: Ways) -> Finding:
    """The share of two seconds that was stolen."""
    rows = ways.ask(host_of(target), TEXT).splitlines()
    first, second = (numbers(row)[:FIELDS] for row in rows[:2]) if len(rows) >= 2 else ([], [])
    if len(first) < FIELDS or len(second) < FIELDS:
        raise CannotLook(say(_("/proc/stat of the host could not be read.")))
    spent = [after - before for before, after in zip(first, second, strict=True)]
    total = sum(spent)
    if total <= 0:
        raise CannotLook(say(_("The clocks of the host's processors stand still.")))
    steal, busy = 100 * spent[STEAL] / total, 100 * (total - spent[IDLE] - spent[IOWAIT]) / total
    seen = (
        line(_("Stolen"), f"{steal:.1f} %"),
        line(_("Busy"), f"{busy:.0f} %"),
        line(_("Processors"), rows[2] if len(rows) > 2 else "?"),
        line(_("Load"), rows[3] if len(rows) > 3 else "?"),
    )
    said = say(_("%(n)s %% of the processors' time is taken away by other machines."), n=f"{steal:.1f}")
    mend = say(_("Look at the CPU credits of the instance; take a larger one, or one whose processors are its own."))
    if steal >= BAD:
        return risk(said, mend, *seen)
    if steal >= WARN:
        return warning(said, mend, *seen)
    return ok(said, *seen)


CHECK = Check("cpu_steal", _("CPU steal"), ("contention", "delays"), hosts, asks(text), look, on_host=True)
