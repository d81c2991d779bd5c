"""Whether services come back by themselves after a crash and after a reboot."""

from django.utils.translation import gettext_lazy as _

from releases.models import HostLooks
from releases.risks.consent import looks_of
from releases.risks.finding import Check, Finding, Line, Said, Target, line, not_known, ok, risk, say
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of, words
from releases.risks.ways import Ways

ASLEEP = ("disabled", "masked", "masked-runtime")


def text(looks: HostLooks) -> str:
    """The question: of each unit its settings, then whether pm2 is brought back."""
    units = (
        f"systemctl show -p Id,LoadState,Type,Restart,UnitFileState -- {words(looks.units)} 2>&1 || echo failed\n"
        if looks.units
        else ""
    )
    return (
        units + "if command -v pm2 >/dev/null; then\n"
        '  echo "pm2=$(systemctl is-enabled "pm2-$(id -un)" 2>&1)"\n'
        '  [ -s "$HOME/.pm2/dump.pm2" ] && echo "pm2saved=yes" || echo "pm2saved=no"\n'
        "fi\n"
    )


def look(target: Target, ways: Ways) -> Finding:
    """Restart= of each unit, whether it is enabled, and pm2's own start-up."""
    host = host_of(target)
    units = looks_of(host).units
    said = ways.ask(host, text(looks_of(host)))
    blocks = [_pairs(block) for block in said.split("\n\n")]
    pm2 = {name: value for block in blocks for name, value in block.items() if name.startswith("pm2")}
    rows = [block for block in blocks if "Id" in block]
    seen = [line(row["Id"], " · ".join(_words(row))) for row in rows]
    if pm2:
        seen.append(line("pm2", f"{pm2.get('pm2', '')}, saved: {pm2.get('pm2saved', '')}"))
    missing = [row["Id"] for row in rows if row.get("LoadState") == "not-found"]
    if not units and not pm2:
        return not_known(say(_("No systemd unit is named for this host.")), _name_them())
    bad = [problem for row in rows for problem in _problems(row)] + _pm2_problems(pm2)
    if bad:
        return _found(bad, seen)
    if missing or len(rows) < len(units):
        names = ", ".join(missing) or ", ".join(units)
        return not_known(
            say(_("These units are not known to systemd there: %(names)s."), names=names), _name_them(), *seen
        )
    return ok(say(_("All services come back by themselves: %(n)s."), n=len(rows) + bool(pm2)), *seen)


def _found(bad: list[str], seen: list[Line]) -> Finding:
    return risk(
        say(_("These do not come back by themselves: %(names)s."), names=", ".join(dict.fromkeys(bad))),
        say(
            _(
                "`sudo systemctl edit` the unit: [Service] Restart=on-failure; then `sudo systemctl enable` it. Of pm2:"
                " `pm2 startup` and `pm2 save`."
            )
        ),
        *seen,
    )


def _name_them() -> Said:
    return say(_("Name the units of the services on the page of the host's checks."))


def _pairs(block: str) -> dict[str, str]:
    return dict(row.split("=", 1) for row in block.splitlines() if "=" in row)


def _words(row: dict[str, str]) -> list[str]:
    return [f"{name}={row[name]}" for name in ("Restart", "UnitFileState") if row.get(name)] or [row["LoadState"]]


def _problems(row: dict[str, str]) -> list[str]:
    if row.get("LoadState") == "not-found":
        return []
    crash = row.get("Restart") == "no" and row.get("Type") != "oneshot"
    return [row["Id"]] if crash or row.get("UnitFileState") in ASLEEP else []


def _pm2_problems(pm2: dict[str, str]) -> list[str]:
    back = pm2.get("pm2", "enabled").startswith("enabled") and pm2.get("pm2saved", "yes") == "yes"
    return [] if back else ["pm2"]


CHECK = Check("restart_policy", _("Restart of services"), ("recovery_time",), hosts, asks(text), look, on_host=True)
