"""The files of the public pages: CLOUDWIKI_DATA/public/<slug>/. Each is replaced at once, never half written.

`state.json` is what the web server reads. The others are the same state as a proxy may hand them out by itself while
nothing of Cloud Wiki runs.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
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
    """Replace files of a project; "": files about all of them. Raises OSError."""
    for name, content in files.items():
        put(folder() / slug / name, content)


def put(file: Path, content: bytes) -> None:
    """Replace one file, in a folder that is made where it is missing. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(content)
        os.chmod(path, 0o644)  # noqa: PTH101 - public, also for the account of a proxy
        os.replace(path, file)  # noqa: PTH105
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108
        raise


def keep_notices(slug: str, numbers: Collection[int]) -> None:
    """Forget the ready-made pages of all announcements but these."""
    for path in (folder() / slug).glob("*.*.html"):
        number = path.name.split(".")[1]
        if number.isdecimal() and int(number) not in numbers:
            path.unlink(missing_ok=True)


def remove(slug: str) -> None:
    """Forget a project whose page was switched off."""
    shutil.rmtree(folder() / slug, ignore_errors=True)
