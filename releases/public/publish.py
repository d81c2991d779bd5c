"""Write the public pages to their files: every few seconds by beat, and at once when an announcement changes."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from releases.database import AWAY
from releases.models import Project
from releases.models.choices import LANGUAGES
from releases.public import address, assets, coverage, current, facts, pages, shelf
from releases.public.formats import FORMATS
from releases.public.reader import Reader
from releases.public.snapshot import Notice, Snapshot

READY: Final = ".rendered"  # holds the mark of the state that the ready-made files show
READY_PAST: Final = ".rendered-past"  # the same of the pages of announcements that are over
LATE: Final = True  # who reads a ready-made file is told of when it is: Cloud Wiki itself is away then
log = structlog.get_logger(__name__)


def soon(project: Project) -> None:
    """After commit, write the project's page anew; without a broker, beat's next message does."""
    slug = project.slug

    def tell() -> None:
        current.expire(slug)
        try:
            current_app.send_task("releases.tasks.publish_page", args=(slug,), retry=False)
        except (OperationalError, OSError) as error:
            log.warning("broker unreachable", task="publish_page", slug=slug, error=str(error))

    transaction.on_commit(tell)


def every_page() -> None:
    """Bring the days up to date, then every project's page; take those away that were switched off."""
    coverage.extend()
    rows = list(facts.public_projects().values_list("slug", "name"))
    wanted = {slug for slug, _name in rows}
    for slug in sorted(wanted):
        try:
            page(slug)
        except AWAY:
            raise
        except Exception:  # one project's page must not keep the others from being written
            log.exception("a public page cannot be written", slug=slug)
    for slug in set(shelf.slugs()) - wanted:
        shelf.remove(slug)
    index(rows)


def index(projects: Sequence[tuple[str, str]]) -> None:
    """Write the list of public pages, short names and names."""
    texts = {f"{reader.language}.index.html": pages.index(projects, reader).encode() for reader in _readers()}
    changed = {name: text for name, text in texts.items() if shelf.read_file("", name) != text}
    assets.keep(texts.values() if changed else ())
    shelf.write_files("", changed)


def page(slug: str) -> None:
    """Write one project's files; those that people read only where something changed, or a minute has passed.

    The pages of announcements that are over, of which there may be many, are as of the hour.
    """
    edition = current.refresh(slug)
    if edition is None:
        return
    snapshot = edition.snapshot
    minute = snapshot.checked_at.replace(second=0, microsecond=0)
    _write(slug, READY, _mark(snapshot, minute), lambda: rendered(snapshot) | permalinks(snapshot, snapshot.current))
    only_past = snapshot.model_copy(update={"services": [], "current": [], "episodes": []})
    mark = _mark(only_past, minute.replace(minute=0))
    if _write(slug, READY_PAST, mark, lambda: permalinks(snapshot, snapshot.past)):
        shelf.keep_notices(slug, {one.number for one in snapshot.notices})


def _write(slug: str, name: str, mark: bytes, make: Callable[[], dict[str, bytes]]) -> bool:
    """Write what `make` makes and what it links to, unless the file `name` holds this mark already."""
    if shelf.read_file(slug, name) == mark:
        return False
    files = make()
    assets.keep(files.values())
    shelf.write_files(slug, files | {name: mark})
    return True


def _mark(snapshot: Snapshot, moment: datetime) -> bytes:
    """Tells two states apart, but not two looks of one `moment`. The web process, which writes states, renders none."""
    told = snapshot.model_copy(update={"checked_at": moment}).model_dump_json()
    return hashlib.sha256(f"{address.site()} {told}".encode()).hexdigest().encode()


def rendered(snapshot: Snapshot) -> dict[str, bytes]:
    """The files of a state by their names, in each language."""
    files: dict[str, bytes] = {}
    for format_ in FORMATS.values():
        for reader in _readers()[:1] if format_.in_both else _readers():
            text = format_.make(snapshot, reader, LATE)
            files[format_.file if format_.in_both else f"{reader.language}.{format_.file}"] = text.encode()
    return files


def permalinks(snapshot: Snapshot, notices: Iterable[Notice]) -> dict[str, bytes]:
    """The pages of announcements by their names, in each language."""
    return {
        f"{reader.language}.{one.number}.html": pages.permalink(snapshot, one, reader, LATE).encode()
        for one in notices
        for reader in _readers()
    }


def _readers() -> list[Reader]:
    return [Reader(language, address.site(), is_kept=True) for language in LANGUAGES]
