"""The addresses under which an environment's services are reached, one target for each server."""

from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from releases.models import Environment, Probe, Project, Variable
from releases.probes.addresses import AddressRefused, Endpoint, NameUnknown, endpoint, parse_networks
from releases.risks.finding import CannotLook, Target, say
from releases.risks.places import environments, of_environment

SECONDS: Final = 5.0


def servers(project: Project) -> list[Target]:
    """Each scheme, host and port of health checks asked from the controller, and of the variables that hold a URL."""
    probes = Probe.objects.filter(environment__project=project, host=None, enabled=True)
    urls = [*probes.values_list("environment", "url")]
    variables = Variable.objects.filter(environment__project=project, type=Variable.Type.URL, is_secret=False)
    from_hosts = set(
        Probe.objects.filter(environment__project=project).exclude(host=None).values_list("url", flat=True)
    )
    urls += [pair for pair in variables.values_list("environment", "value") if pair[1] not in from_hosts]
    found: dict[str, Target] = {}
    for target in environments(project):
        assert target.environment is not None  # noqa: S101 - targets are environments
        for base in dict.fromkeys(_base(url) for number, url in urls if number == target.environment.pk):
            if base:
                found[f"{target.key} {base}"] = of_environment(target.environment, base, base, base)
    return list(found.values())


def _base(url: str) -> str:
    """Scheme, host and port; "" for what is no address of a web service, or one of the machine itself."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    name = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not name or name == "localhost":
        return ""
    shown = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def resolved(url: str, environment: Environment) -> Endpoint:
    """Where to connect, if the controller may. Raises CannotLook."""
    near = frozenset(environment.hosts.values_list("address", flat=True))
    allowed = parse_networks(getattr(settings, "PROBE_ALLOWED_NETWORKS", []))
    try:
        return endpoint(url, near=near, allowed=allowed)
    except AddressRefused as error:
        raise CannotLook(say(_("%(address)s is not asked: %(why)s."), address=url, why=error)) from error
    except NameUnknown as error:
        raise CannotLook(say(_("The name %(name)s is not known."), name=error)) from error
