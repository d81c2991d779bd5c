"""Copies of backups in the store: fetched from the host through a file here, compared, and kept encrypted.

A file is fetched as it is, a folder as one tar.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from django.utils.translation import gettext as _

from releases import stores
from releases.actions.ask import ask
from releases.actions.base import ActionError, StepContext
from releases.actions.copies import Copy
from releases.actions.remote_words import told
from releases.models import Backup, Environment
from releases.remote.archives import fetch_folder, folder_digests
from releases.remote.errors import TransferDiffers, TransferFailed
from releases.remote.transfer import download
from releases.remote.transport import Transport

ENTRY: Final = 2048  # bytes that a tar holds of an entry beside its content, at most as a rule
SECONDS: Final = 600.0  # for looking at a copy on its host
_RIGHTS = 'stat -c "%a %u:%g" "$path"\n'
_ENTRIES = 'find "$path/." | wc -l\n'


@dataclass(frozen=True)
class Way:
    """How a copy is fetched: from where, under which name its script ran, and who hears how it goes."""

    transport: Transport
    name: str
    progress: Callable[[int, int], None] = lambda done, total: None
    say: Callable[[str], None] = lambda line: None


def way_of(context: StepContext) -> Way:
    """The way to the copies that a step made."""
    return Way(context.transport(), context.attempt.remote_id, context.progress, context.say)


def keep(environment: Environment, copy: Copy, folder: str, way: Way, *, is_folder: bool = False) -> str:
    """Keep an encrypted copy in `folder` of the environment's in the store; returns its name there.

    Raises ActionError where it can't be fetched, changed, or the store does not take it.
    """
    place = PurePosixPath(environment.project.slug, environment.key, folder)
    name = str(place / f"{way.name[:8]}-{PurePosixPath(copy.location).name}")
    try:
        with stores.passing_folder() as passing:
            target = passing / "plain"
            if is_folder:
                stores.require_room(passing, copy.size + ENTRY * _entries(way, copy.location))
            else:
                stores.require_room(passing, copy.size)
            with stores.full_told():
                # Not stopped half way: a worker that has to leave is followed by one that begins this copy anew.
                digests = (_fetch_folder if is_folder else _fetch)(way, copy, target)
            if copy.sha256 not in digests:
                raise ActionError(_("%s changed after it was backed up. Run the step again.") % copy.location)
            return stores.put(target, f"{name}.tar" if is_folder else name)
    except TransferDiffers as error:
        raise ActionError(_("%s changed after it was backed up. Run the step again.") % copy.location) from error
    except TransferFailed as error:
        raise ActionError(told(error)) from error
    except stores.StoreError as error:
        raise ActionError(str(error)) from error


def keep_each(rows: Iterable[Backup], folder: str, way: Way) -> None:
    """Keep copies of these backups of files; what has one already is left. Raises ActionError: the rows stay then."""
    for row in rows:
        if row.copy_location or row.removed_at is not None:
            continue
        copy = Copy(row.sha256, row.size, 0, row.location)
        name = keep(row.environment, copy, folder, way, is_folder=row.is_folder)
        rights = {} if row.is_folder else _rights(way, row.location)
        values = {"copy_location": name, "parameters": rights}
        if Backup.objects.filter(pk=row.pk, removed_at__isnull=True).update(**values):
            row.copy_location, row.parameters = name, rights
            way.say(_("%s: an encrypted copy is in the store") % row.location)
        else:  # somebody gave it up meanwhile
            _drop(name)


def _fetch(way: Way, copy: Copy, target: Path) -> Collection[str]:
    told, sha256 = way.progress, copy.sha256
    moved = download(
        way.transport, copy.location, target, progress=told, stop=lambda: False, sha256=sha256, passing=True
    )
    return {moved.sha256}


def _fetch_folder(way: Way, copy: Copy, target: Path) -> Collection[str]:
    with stores.written(target) as file:
        fetch_folder(
            way.transport,
            copy.location,
            file,
            progress=lambda done: way.progress(min(done, copy.size), copy.size),
            stop=lambda: False,
        )
    return folder_digests(target)


def _rights(way: Way, path: str) -> dict[str, str]:
    """Permission bits and owner of a file, so that it comes back as it was."""
    words = ask(way.transport, _RIGHTS, {"path": path}).stdout.decode(errors="replace").split()
    return {"mode": words[0], "owner": words[1]} if len(words) == 2 and words[0].isdecimal() else {}


def _entries(way: Way, path: str) -> int:
    words = ask(way.transport, _ENTRIES, {"path": path}, seconds=SECONDS).stdout.split()
    return int(words[0]) if words and words[0].isdigit() else 0


def _drop(name: str) -> None:
    try:
        stores.remove(name)
    except stores.StoreError as error:
        raise ActionError(str(error)) from error
