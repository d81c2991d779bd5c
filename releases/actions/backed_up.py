"""What a plan backs up, by its steps and by its checks: the things of which an environment should have copies."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from releases.actions.copies import series_of_dump, series_of_files
from releases.actions.filling import fill
from releases.models import Backup, Host
from releases.runbooks.lines import step_lines
from releases.runbooks.model import GRACE, LocalText, Phase, Retry, Role
from releases.runbooks.placeholders import PlaceholderError
from releases.runbooks.plan import PlannedStep
from releases.runbooks.schema import definition, normal

BACKUP_ACTIONS: Final = ("backup_files", "backup_database")
CHECK: Final = "check:"  # begins the key of a check beside the keys of steps, which hold no colon
CHECK_SECONDS: Final = 3600


class Thing(NamedTuple):
    """One file, folder or database on one host; the backups of the same three are copies of it. `step`: its key."""

    kind: str
    host_id: int | None
    series: str
    step: str


def backing_up(content: Mapping[str, Any], hosts: Mapping[str, Host]) -> list[dict[str, Any]]:
    """What a plan's content says is backed up, each as a step of it: its checks that do so, then its steps.

    `hosts` by role. A check is left out where steps back up all that it does.
    """
    steps = [step for step in content["steps"] if step["action"] in BACKUP_ACTIONS]
    covered = {thing[:3] for thing in things(steps, hosts)}
    checks = [item for item in content["checklist"] if item["proof"] == "backup_age"]
    own = [_as_step(item, content, hosts[role]) for item in checks if (role := item["parameters"]["runs_on"]) in hosts]
    more = [step for step in own if not {thing[:3] for thing in things([step], hosts)} <= covered]
    return [*more, *steps]


def _as_step(item: Mapping[str, Any], content: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """A check that takes backups, as the step that takes the same."""
    asked = item["parameters"]
    files = [{**entry, "path": _filled(entry["path"], content, host)} for entry in asked["files"]]
    given = {"files": files, "destination": _filled(asked["destination"], content, host), "service": asked["service"]}
    parameters = normal(definition("action_backup_files"), given)
    return PlannedStep(
        key=f"{CHECK}{item['key']}",
        number="",
        title=LocalText(**item["title"]),
        role=Role.DEVOPS,
        phase=Phase.PREPARE,
        action="backup_files",
        parameters=parameters,
        runs_on=asked["runs_on"],
        estimate=60,
        timeout=CHECK_SECONDS,
        silence_timeout=None,
        grace=GRACE,
        note=LocalText(),
        tool=LocalText(),
        condition="",
        opens_downtime=False,
        closes_downtime=False,
        retry=Retry(),
        idempotent=False,
        irreversible=LocalText(),
        service=parameters["service"],
        check="",
        probe="",
        after=(),
        lines=step_lines("backup_files", parameters, f"{host.user}@{host.address}"),
    ).to_json()


def _filled(text: str, content: Mapping[str, Any], host: Host) -> str:
    """The text filled in; as it is written, where a value is missing, so that whoever reads it sees which."""
    try:
        return fill(text, content, host)
    except PlaceholderError:
        return text


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
