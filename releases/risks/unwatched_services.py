"""Services that no health check looks at."""

from django.utils.translation import gettext_lazy as _

from releases.models import Service
from releases.risks.finding import Check, Finding, Target, line, not_known, ok, records, say, warning
from releases.risks.places import production
from releases.risks.ways import Ways

ASKED = (Service.Kind.BACKEND, Service.Kind.FRONTEND)


def look(target: Target, _ways: Ways) -> Finding:
    """Backends and frontends without a health check that is on."""
    assert target.environment is not None  # noqa: S101 - targets are environments
    watched = set(target.environment.probes.filter(enabled=True).values_list("service", flat=True))
    services = list(target.project.services.filter(kind__in=ASKED))
    blind = [service for service in services if service.pk not in watched]
    seen = [line(one.name, _("not watched") if one in blind else _("watched")) for one in services]
    if not services:
        return not_known(say(_("The project has no backend and no frontend that could be watched.")), None, *seen)
    if blind:
        return warning(
            say(_("Nothing watches: %(names)s."), names=", ".join(service.name for service in blind)),
            say(_("Set a health check for each in the environment.")),
            *seen,
        )
    return ok(say(_("Each backend and frontend has a health check: %(n)s."), n=len(services)), *seen)


_READS = records(_("The services and health checks of the environment."))
CHECK = Check("unwatched_services", _("Services nobody watches"), ("observability",), production, _READS, look)
