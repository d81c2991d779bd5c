"""Whether a host's checks may run: a person read their commands, word for word, and switched them on.

What was agreed to is kept as a digest of those words: other folders, or a newer Cloud Wiki that asks otherwise, and the
host's checks are off again until somebody reads the new words.
"""

import hashlib
import json
import re
from typing import Final

from django.utils.translation import override

from releases.models import Host, HostLooks, Variable
from releases.risks import registry
from releases.risks.finding import Check, Does
from releases.risks.places import of_host

POSTGRES: Final = 5432
UNITS: Final = re.compile(r"\bsystemctl\s+(?:start|stop|restart|reload|is-active|show)\s+([A-Za-z0-9@._:-]+)")


def looks_of(host: Host) -> HostLooks:
    """What is looked at on the host: as a person set it, or else as its environment suggests (an unsaved row)."""
    found = getattr(host, "looks", None)
    return found if isinstance(found, HostLooks) else suggested(host)


def suggested(host: Host) -> HostLooks:
    """From the variables of the environment and the units that its runbooks name."""
    rows = Variable.objects.filter(environment=host.environment_id, is_secret=False)
    values = dict(rows.values_list("name", "value"))
    ports = {POSTGRES} | ({int(values["db_port"])} if values.get("db_port", "").isdecimal() else set())
    folders = [values["app_folder"]] if values.get("app_folder", "").startswith("/") else ["/app"]
    files = sorted(value for name, value in values.items() if name.endswith("env_file") and value.startswith("/"))
    return HostLooks(host=host, ports=sorted(ports), folders=folders, files=files, units=_units(host))


def _units(host: Host) -> list[str]:
    found: list[str] = []
    for runbook in (host.environment.runbook, host.environment.rollback_runbook):
        latest = runbook.latest() if runbook else None
        found += UNITS.findall(latest.text) if latest else []
    return list(dict.fromkeys(found))[:20]


def commands(host: Host) -> list[tuple[Check, list[Does]]]:
    """Every check that touches the host, with what it does there."""
    target = of_host(host)
    return [(check, check.does(target)) for check in registry.all_checks() if check.on_host]


def digest_of(host: Host) -> str:
    """SHA-256 of all that the checks do to this host, in words that no language changes, and where it is."""
    with override("en"):
        words = [[check.kind, does.place, str(does.text)] for check, all_done in commands(host) for does in all_done]
    place = [host.address, host.port, host.user]
    return hashlib.sha256(json.dumps([place, words], ensure_ascii=False).encode()).hexdigest()


def is_on(host: Host) -> bool:
    """Whether what the checks do now is what a person agreed to."""
    looks = getattr(host, "looks", None)
    return bool(looks and looks.digest and looks.digest == digest_of(host))
