"""Write the public pages to their files: every few seconds by beat, and at once when an announcement changes."""

import hashlib
from typing import Final

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from releases.database import AWAY
from releases.models import Project
from releases.models.choices import LANGUAGES
from releases.public import address, coverage, current, facts, shelf
from releases.public.formats import FORMATS
from releases.public.reader import Reader
from releases.public.snapshot import Snapshot

READY: Final = ".rendered"  # holds the mark of the state that the ready-made files show
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
    wanted = set(facts.public_projects().values_list("slug", flat=True))
    for slug in sorted(wanted):
        try:
            page(slug)
        except AWAY:
            raise
        except Exception:  # one project's page must not keep the others from being written
            log.exception("a public page cannot be written", slug=slug)
    for slug in set(shelf.slugs()) - wanted:
        shelf.remove(slug)


def page(slug: str) -> None:
    """Write one project's files; those that people read only where something changed, or a minute has passed."""
    edition = current.refresh(slug)
    if edition is None:
        return
    mark = _mark(edition.snapshot)
    if shelf.read_file(slug, READY) != mark:
        shelf.write_files(slug, rendered(edition.snapshot) | {READY: mark})


def _mark(snapshot: Snapshot) -> bytes:
    """Tells two states apart, but not two looks within a minute. The web process, which writes states, renders none."""
    minute = snapshot.checked_at.replace(second=0, microsecond=0)
    told = snapshot.model_copy(update={"checked_at": minute}).model_dump_json()
    return hashlib.sha256(f"{address.site()} {told}".encode()).hexdigest().encode()


def rendered(snapshot: Snapshot) -> dict[str, bytes]:
    """The files of a state by their names, in each language."""
    site = address.site()
    files: dict[str, bytes] = {}
    for format_ in FORMATS.values():
        for language in LANGUAGES[:1] if format_.in_both else LANGUAGES:
            text = format_.make(snapshot, Reader(language, site), False)
            files[format_.file if format_.in_both else f"{language}.{format_.file}"] = text.encode()
    return files
