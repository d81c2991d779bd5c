"""Running one check as a round does, in tests."""

from django.utils.translation import override

from releases.engine import clock
from releases.models import Host, HostLooks, Project
from releases.risks import consent, looking
from releases.risks.finding import Finding, Target
from releases.risks.registry import by_kind
from releases.risks.ways import Ways


def targets(kind: str, project: Project) -> list[Target]:
    """What the check looks at."""
    return list(by_kind()[kind].targets(project))


def look(kind: str, project: Project, key: str = "") -> Finding:
    """What it finds on its only target, or on the one whose key ends so."""
    found = [one for one in targets(kind, project) if one.key.endswith(key)]
    assert len(found) == 1, [one.key for one in found]
    ways = Ways(clock.now())
    try:
        return looking.look(by_kind()[kind], found[0], ways)
    finally:
        ways.close()


def seen(kind: str, project: Project, key: str = "") -> str:
    """The state alone."""
    return str(look(kind, project, key).seen)


def told(finding: Finding) -> str:
    """All that was found, as one text in English."""
    with override("en"):
        return "\n".join([str(finding.said), *(f"{one.label}: {one.value}" for one in finding.evidence)])


def switch_on(host: Host, **looks: list[object]) -> None:
    """Let a host's checks run, on these things."""
    values = {"ports": [5432], "folders": ["/app"], "files": [], "units": []} | looks
    HostLooks.objects.update_or_create(host=host, defaults=values)
    current = Host.objects.select_related("environment__project", "looks").get(pk=host.pk)
    HostLooks.objects.filter(host=host).update(digest=consent.digest_of(current))
