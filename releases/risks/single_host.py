"""Whether everything of an environment runs on one machine."""

from django.utils.translation import gettext_lazy as _

from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, risk, say
from releases.risks.places import production
from releases.risks.ways import Ways


def look(target: Target, _ways: Ways) -> Finding:
    """Two names for one address are one machine."""
    assert target.environment is not None  # noqa: S101 - targets are environments
    hosts = list(target.environment.hosts.all())
    services = list(target.project.services.all())
    seen = [line(host.name, f"{host.role} · {host.address}") for host in hosts]
    seen.append(line(_("Services"), ", ".join(service.name for service in services) or "–"))
    machines = {host.address for host in hosts}
    if not machines:
        return not_known(say(_("No host is entered.")), say(_("Add its hosts under Hosts.")), *seen)
    if len(machines) == 1:
        return risk(
            say(_("Everything runs on one machine: when it fails, all services are down.")),
            say(_("Put the database on a machine of its own first, then the services on two.")),
            *seen,
        )
    return ok(say(_("It runs on %(n)s machines."), n=len(machines)), *seen)


_READS = records(_("The hosts and services of the environment."))
CHECK = Check("single_host", _("Single machine"), ("single_point",), production, _READS, look)
