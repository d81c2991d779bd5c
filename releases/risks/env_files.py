"""Who may read the .env files of a host."""

from django.utils.translation import gettext_lazy as _

from releases.models import HostLooks
from releases.risks.consent import looks_of
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, risk, say, warning
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of, words
from releases.risks.ways import Ways

DEPTH = 5
MOST = 200  # files
OTHERS, GROUP_WRITES = 0o007, 0o020


def text(looks: HostLooks) -> str:
    """The question: mode, owner and path of each file, then what could not be read."""
    named = f"stat -L -c '%a %U:%G %n' -- {words(looks.files)} 2>&1\n" if looks.files else ""
    return (
        f"{named}find {words(looks.folders)} -xdev -maxdepth {DEPTH}"
        " \\( -name node_modules -o -name .git -o -name .next \\) -prune"
        " -o \\( -type f -o -type l \\) \\( -name .env -o -name '.env.*' -o -name '*.env' \\)"
        " ! -name '*.example' ! -name '*.sample' ! -name '*.template'"
        f" -exec stat -L -c '%a %U:%G %n' {{}} + 2>&1 | head -n {MOST}\n"
    )


def look(target: Target, ways: Ways) -> Finding:
    """Others may not read a file with secrets; its group may not write to it."""
    host = host_of(target)
    said = dict.fromkeys(ways.ask(host, text(looks_of(host))).splitlines())
    rows = [row.split(" ", 2) for row in said if row.partition(" ")[0].isdigit() and row.count(" ") >= 2]
    problems = [row for row in said if not row.partition(" ")[0].isdigit()]
    seen = [line(path, f"{mode} {owner}") for mode, owner, path in rows]
    open_to_all = [path for mode, _owner, path in rows if int(mode, 8) & OTHERS]
    written = [path for mode, _owner, path in rows if int(mode, 8) & GROUP_WRITES]
    mend = say(_("On the host: chmod 0600 %(files)s"), files=words((open_to_all or written)[:5]))
    if open_to_all:
        return risk(
            say(_("Everybody on the host may read a file with secrets: %(n)s."), n=len(open_to_all)), mend, *seen
        )
    if problems:
        return not_known(
            say(_("Not everything could be read: %(what)s"), what=problems[0][:200]),
            say(_("Correct the folders and files of the host's checks, or let the login read them.")),
            *seen,
        )
    if len(said) >= MOST:
        return not_known(
            say(_("There are more files than are looked at (%(n)s)."), n=MOST),
            say(_("Correct the folders and files of the host's checks, or let the login read them.")),
            *seen,
        )
    if written:
        return warning(say(_("The group may write to a file with secrets: %(n)s."), n=len(written)), mend, *seen)
    if not rows:
        return ok(say(_("No .env file was found in %(folders)s."), folders=", ".join(looks_of(host).folders)))
    return ok(say(_("Only their owners and groups may read the files with secrets: %(n)s."), n=len(rows)), *seen)


CHECK = Check("env_files", _("Rights of .env files"), ("secrets",), hosts, asks(text), look, on_host=True)
