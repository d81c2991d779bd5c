"""Whether the database lives on the machine of the app."""

from django.utils.translation import gettext_lazy as _

from releases.models import Project, Service
from releases.risks.finding import Check, Finding, Target, line, ok, records, risk, say
from releases.risks.places import environments
from releases.risks.ways import Ways

ROLES = ("db", "database", "postgres", "postgresql")
LOCAL = ("localhost", "127.0.0.1", "::1", "")


def targets(project: Project) -> list[Target]:
    """The environments of a project that has a database."""
    has = project.services.filter(kind=Service.Kind.DATABASE).exists()
    return [one for one in environments(project) if has and one.environment and one.environment.is_production]


def look(target: Target, _ways: Ways) -> Finding:
    """By the variable db_host, and by a host with a database's role."""
    assert target.environment is not None  # noqa: S101 - targets are environments
    hosts = list(target.environment.hosts.all())
    apps = {host.address for host in hosts if host.role not in ROLES}
    own = [host for host in hosts if host.role in ROLES and host.address not in apps]
    values = dict(target.environment.variables.filter(name="db_host", is_secret=False).values_list("name", "value"))
    named = values.get("db_host", "")
    seen = [line("db_host", named or say(_("not set: the machine itself"))), *(line(h.name, h.role) for h in own)]
    elsewhere = named not in LOCAL and not named.startswith("/") and named not in apps
    if own or elsewhere:
        return ok(say(_("The database has a machine of its own.")), *seen)
    return risk(
        say(_("The database is on the machine of the app: no second instance can be added, and both compete.")),
        say(_("Move the database to a host of its own, or to a managed one, and set db_host.")),
        *seen,
    )


_READS = records(_("The hosts of the environment and its variable db_host."))
CHECK = Check("local_database", _("Database beside the app"), ("horizontal", "cascade"), targets, _READS, look)
