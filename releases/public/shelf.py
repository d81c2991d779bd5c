"""The files of the public pages: CLOUDWIKI_DATA/public/<slug>/. Each is replaced at once, never half written.

`state.json` is what the web server reads. The others are the same state as a proxy may hand them out by itself while
nothing of Cloud Wiki runs.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings
from pydantic import ValidationError

from releases.public.snapshot import Snapshot

STATE: Final = "state.json"
log = structlog.get_logger(__name__)


def folder() -> Path:
    """Where the files of all projects lie."""
    return Path(settings.CLOUDWIKI_DATA) / "public"


def stamp(slug: str) -> int:
    """Changes when the state of a project is written anew; 0: there is none."""
    try:
        return (folder() / slug / STATE).stat().st_mtime_ns
    except OSError:
        return 0


def read(slug: str) -> Snapshot | None:
    """The state that was written last; None where there is none, or none that this version understands."""
    try:
        return Snapshot.model_validate_json((folder() / slug / STATE).read_bytes())
    except OSError:
        return None
    except ValidationError as error:
        log.warning("the kept state of a public page cannot be read", slug=slug, problems=error.error_count())
        return None


def read_file(slug: str, name: str) -> bytes:
    """A file of a project; nothing where there is none."""
    try:
        return (folder() / slug / name).read_bytes()
    except OSError:
        return b""


def slugs() -> list[str]:
    """The projects that have a state here."""
    return sorted(path.parent.name for path in folder().glob(f"*/{STATE}"))


def write(snapshot: Snapshot) -> None:
    """Keep the state. Raises OSError."""
    write_files(snapshot.slug, {STATE: snapshot.model_dump_json().encode()})


def write_files(slug: str, files: Mapping[str, bytes]) -> None:
    """Replace files of a project. Raises OSError."""
    place = folder() / slug
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        handle, path = tempfile.mkstemp(dir=place, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(path, 0o644)  # noqa: PTH101 - public, also for the account of a proxy
            os.replace(path, place / name)  # noqa: PTH105
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
            raise


def remove(slug: str) -> None:
    """Forget a project whose page was switched off."""
    shutil.rmtree(folder() / slug, ignore_errors=True)
