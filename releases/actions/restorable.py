"""Which backups a rollback puts back: those of the deployment that it undoes, as its plan signs them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from django.db.models import Max, Q
from django.utils.translation import gettext as _

from releases.actions.base import ActionError, NotApproved
from releases.actions.copies import series_of_dump, series_of_files
from releases.models import Backup, Deployment, Environment, Host, Removal
from releases.runbooks.plan import PlannedStep
from releases.way_back import WayBack

KINDS = {"restore_files": Backup.Kind.FILES, "restore_database": Backup.Kind.DATABASE}
RESTORING = tuple(KINDS)
SIGNED = ("id", "kind", "name", "location", "sha256", "size", "host_id")


def candidates(way: WayBack, actions: Collection[str] = RESTORING) -> list[Backup]:
    """The backups that hold what ran before what is undone, one of each thing, in a fixed order, as far as one of
    these actions puts it back.

    Of the copies that steps took, and those of files that a check or an order took between the last deployment's end
    and the start, the oldest of each: a later one may hold what is being undone. An order's dump is no candidate: what
    was written between it and the start would be lost.
    """
    together = way.together()
    first, environment = together[0], way.undoes.environment
    before = environment.deployments.filter(started_at__lt=first.started_at)
    ended = before.aggregate(at=Max("finished_at"))["at"]
    beforehand = Q(attempt=None, kind=Backup.Kind.FILES, created_at__lt=first.started_at)
    if ended is not None:
        beforehand &= Q(created_at__gt=ended)
    kinds = [kind for action, kind in KINDS.items() if action in actions]
    rows = environment.backups.filter(Q(deployment__in=together, attempt__isnull=False) | beforehand)
    rows = rows.exclude(removed_at__lt=first.started_at).exclude(removed_because=Removal.DISTURBED)
    rows = rows.filter(kind__in=kinds).defer("facts")
    oldest: dict[tuple[str, int | None, str], Backup] = {}
    for backup in rows.order_by("created_at", "pk"):
        oldest.setdefault((backup.kind, backup.host_id, backup.series), backup)
    return sorted(oldest.values(), key=lambda backup: backup.pk)


def signed(backups: list[Backup]) -> list[dict[str, Any]]:
    """What a plan keeps of them."""
    return [{name: getattr(backup, name) for name in SIGNED} for backup in backups]


def named(backups: list[Backup], steps: Iterable[PlannedStep], hosts: Mapping[str, int]) -> list[Backup]:
    """Those of the backups that a step which will run puts back. `hosts`: the number of the host of each role."""
    things: set[tuple[str, int | None, str]] = set()
    for step in steps:
        if step.action not in KINDS or step.skipped_because:
            continue
        parameters = step.parameters
        series = [series_of_files(file["link"]) for file in parameters.get("files", ())]
        series = series or [series_of_dump(parameters)]
        things |= {(KINDS[step.action], hosts.get(step.runs_on), each) for each in series}
    return [backup for backup in backups if (backup.kind, backup.host_id, backup.series) in things]


class Signed:
    """The backups that the plan of a rollback names, read in one query. `content` is what the plan holds."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content, rollback = content, content.get("rollback")
        self._entries: list[dict[str, Any]] | None = None if rollback is None else rollback["backups"]
        numbers = [entry["id"] for entry in self._entries or ()]
        self._rows = Backup.objects.defer("facts").in_bulk(numbers)

    def files(self, link: str, host: Host | None) -> Backup:
        """The backup of files called `link` on this host.

        Raises ActionError when the plan names none, NotApproved when it is another one by now.
        """
        for entry in self._of(Backup.Kind.FILES, host):
            if entry["name"] == link:
                return self._approved(entry)
        words = {"link": link, "host": host.name if host else "-"}
        sentence = _("There is no backup %(link)s of %(host)s from before the deployment that is undone.")
        mend = _("Put the files back by hand, and let the next deployment back them up first.")
        raise ActionError(f"{sentence % words} {mend}")

    def dump(self, parameters: Mapping[str, Any], host: Host | None) -> Backup:
        """The dump, made on this host, of the database that the parameters name. Raises as `files`."""
        wanted = series_of_dump(parameters)
        for entry in self._of(Backup.Kind.DATABASE, host):
            row = self._approved(entry)
            if row.series == wanted:
                return row
        words = {"database": parameters["database"], "host": host.name if host else "-"}
        sentence = _("There is no dump of the database %(database)s on %(host)s from before what is undone.")
        mend = _("Name database, host and port as the step that backs it up does, or restore by hand.")
        raise ActionError(f"{sentence % words} {mend}")

    def needed(self, environment: Environment) -> Iterator[Backup | str]:
        """For each thing that a step of the plan puts back its backup, or why there is none."""
        steps = [step for step in self._content["steps"] if step["action"] in RESTORING]
        steps = [step for step in steps if not step["skipped_because"]]
        hosts = {host.role: host for host in environment.hosts.all()} if steps else {}
        for entry in steps:
            parameters, host = entry["parameters"], hosts.get(entry["runs_on"])
            wanted = [file["link"] for file in parameters.get("files", ())]
            for found in [partial(self.files, link, host) for link in wanted] or [partial(self.dump, parameters, host)]:
                try:
                    yield found()
                except (ActionError, NotApproved) as error:
                    yield str(error)

    def _of(self, kind: Backup.Kind, host: Host | None) -> list[dict[str, Any]]:
        if self._entries is None:
            raise ActionError(
                _("This step puts back what a rollback undoes. Begin it with “Roll back” on the deployment's page.")
            )
        number = host.pk if host else None
        return [entry for entry in self._entries if entry["kind"] == kind and entry["host_id"] == number]

    def _approved(self, entry: Mapping[str, Any]) -> Backup:
        """The row that the plan names, if it is still the same."""
        row = self._rows.get(entry["id"])
        if row is not None and row.removed_at is not None:
            raise NotApproved(_("The backup %s was removed. Another one can't take its place.") % entry["name"])
        if row is None or any(getattr(row, name) != entry[name] for name in SIGNED[1:]):
            raise NotApproved(_("The backup %s is not the one that was approved. Make a new plan.") % entry["name"])
        return row


def backup_for(deployment: Deployment, link: str, host: Host | None) -> Backup:
    """The backup of files called `link` on this host that `deployment`, a rollback, puts back. Raises as Signed."""
    return Signed(deployment.plan.content).files(link, host)


def dump_for(deployment: Deployment, parameters: Mapping[str, Any], host: Host | None) -> Backup:
    """The dump of the database that the parameters name, made on this host. Raises as Signed."""
    return Signed(deployment.plan.content).dump(parameters, host)
