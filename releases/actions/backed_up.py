"""What the backup steps of a plan copy: the things of which an environment should have copies."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from releases.actions.copies import series_of_dump, series_of_files
from releases.models import Backup, Host

BACKUP_ACTIONS: Final = ("backup_files", "backup_database")


class Thing(NamedTuple):
    """One file, folder or database on one host; the backups of the same three are copies of it. `step`: its key."""

    kind: str
    host_id: int | None
    series: str
    step: str


def things(steps: Iterable[Mapping[str, Any]], hosts: Mapping[str, Host]) -> list[Thing]:
    """The things that the steps (as a plan holds them) copy, in order. `hosts` by role."""
    found = []
    for step in steps:
        parameters, host = step["parameters"], hosts.get(step["runs_on"])
        number = host.pk if host else None
        if step["action"] == "backup_files":
            links = [series_of_files(entry["link"]) for entry in parameters["files"]]
            found += [Thing(Backup.Kind.FILES, number, link, step["key"]) for link in links]
        elif step["action"] == "backup_database":
            found.append(Thing(Backup.Kind.DATABASE, number, series_of_dump(parameters), step["key"]))
    return found
