"""How near a host and its processes are to their limits of open files and connections."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import HostLooks
from releases.risks.finding import CannotLook, Check, Finding, Target, line, not_known, ok, risk, say, warning
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of, numbers
from releases.risks.ways import Ways

WARN, BAD = 70, 90  # percent of a limit
SHOWN = 8
# Of each process: how many files it has open, its own limit, its number and name. Without root only one's own.
_COUNT: Final = (
    "for each in /proc/[0-9]*; do\n"
    '  open=$(ls "$each/fd" 2>/dev/null) || { [ -d "$each" ] && echo hidden; continue; }\n'
    '  limit=$(sed -n "s/^Max open files *\\([0-9][0-9]*\\).*/\\1/p" "$each/limits" 2>/dev/null)\n'
    '  [ -n "$limit" ] || continue\n'
    '  echo "process $(echo "$open" | wc -l) $limit ${each#/proc/} $(cat "$each/comm" 2>/dev/null)"\n'
    "done"
)
TEXT: Final = f"cat /proc/sys/fs/file-nr\nroot=; sudo -n true 2>/dev/null && root='sudo -n'\n$root sh -c '{_COUNT}'\n"


def text(_looks: HostLooks) -> str:
    """The question."""
    return TEXT


def look(target: Target, ways: Ways) -> Finding:
    """The process that is nearest to its limit decides, or the kernel's own."""
    rows = ways.ask(host_of(target), TEXT).splitlines()
    whole = numbers(rows[0]) if rows else []
    if len(whole) != 3 or not whole[2]:
        raise CannotLook(say(_("/proc/sys/fs/file-nr of the host could not be read.")))
    found = [(100 * whole[0] / whole[2], say(_("the whole host")), whole[0], whole[2])]
    hidden = rows.count("hidden")
    for row in rows[1:]:
        words = row.split(None, 4)
        if words[:1] == ["process"] and len(words) == 5 and int(words[2]):
            used, limit = int(words[1]), int(words[2])
            found.append((100 * used / limit, say("%(name)s (%(pid)s)", name=words[4], pid=words[3]), used, limit))
    found.sort(key=lambda one: -one[0])
    seen = [line(who, f"{used} / {limit}") for _share, who, used, limit in found[:SHOWN]]
    share, who = found[0][0], found[0][1]
    said = say(_("%(who)s has used %(n)s %% of its open files."), who=who, n=round(share))
    mend = say(_("Look for connections that are never closed; raise LimitNOFILE= of the unit if they are needed."))
    if share >= BAD:
        return risk(said, mend, *seen)
    if share >= WARN:
        return warning(said, mend, *seen)
    if len(found) == 1 and not hidden:
        raise CannotLook(say(_("The host named no process.")))
    if hidden:
        why = say(_("Without sudo only one's own processes can be seen; hidden: %(n)s."), n=hidden)
        return not_known(
            why, say(_("Let the login use sudo without a password, or accept that it is not known.")), *seen
        )
    return ok(say(_("Nothing is near its limit of open files; the nearest: %(n)s %%."), n=round(share)), *seen)


CHECK = Check("file_descriptors", _("File descriptors"), ("descriptors",), hosts, asks(text), look, on_host=True)
