"""How full the disks of a host are: bytes and inodes."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from releases.models import HostLooks
from releases.risks.finding import CannotLook, Check, Finding, Target, line, ok, risk, say, warning
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of
from releases.risks.ways import Ways

TEXT: Final = "df -Pk 2>/dev/null; echo inodes; df -Pi 2>/dev/null\n"
WARN, BAD = 80, 92  # percent
SKIPPED: Final = ("/proc", "/sys", "/dev", "/run", "/snap", "/boot/efi")


def text(_looks: HostLooks) -> str:
    """The question."""
    return TEXT


def look(target: Target, ways: Ways) -> Finding:
    """The fullest file system decides."""
    space, _sep, inodes = ways.ask(host_of(target), TEXT).partition("inodes\n")
    filled = {f"{place}": share for place, share in _shares(space).items()}
    filled |= {f"{place} (inodes)": share for place, share in _shares(inodes).items()}
    if not filled:
        raise CannotLook(say(_("df on the host named no file system.")))
    ordered = sorted(filled.items(), key=lambda pair: -pair[1])
    seen = [line(place, f"{share} %") for place, share in ordered[:12]]
    place, share = ordered[0]
    said = say(_("%(place)s is %(n)s %% full."), place=place, n=share)
    mend = say(_("Remove what is not needed there (old backups, logs, builds), or enlarge the volume."))
    if share >= BAD:
        return risk(said, mend, *seen)
    if share >= WARN:
        return warning(said, mend, *seen)
    return ok(say(_("The fullest file system, %(place)s, is %(n)s %% full."), place=place, n=share), *seen)


def _shares(said: str) -> dict[str, int]:
    """Percent in use by mount point; read-only images and the kernel's own do not count."""
    found = {}
    for row in said.splitlines()[1:]:
        words = row.split(None, 5)
        if len(words) < 6 or not words[4].rstrip("%").isdecimal() or words[0].startswith("/dev/loop"):
            continue
        if not any(words[5] == skipped or words[5].startswith(f"{skipped}/") for skipped in SKIPPED):
            found[words[5]] = int(words[4].rstrip("%"))
    return found


CHECK = Check("disk", _("Disk"), ("contention", "data_loss"), hosts, asks(text), look, on_host=True)
