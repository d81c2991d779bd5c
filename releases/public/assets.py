"""The static files that ready-made pages link to, kept beside them: a proxy has none of our own.

Only in production, where the name of a file holds the digest of its contents: what is there under a name is right.
Those of an older version stay for a day, for the pages that still link to them.
"""

import posixpath
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from releases.public import shelf

FOLDER: Final = ".files"  # a project's short name holds no dot
REFRESH_SECONDS: Final = 3600  # a file that is needed is younger than this
OLD_SECONDS: Final = 24 * 3600
_LINK: Final = re.compile(rb'(?:href|src)="([^"?#]+)')
_URL: Final = re.compile(rb"""url\(["']?([^"')?#]+)""")
log = structlog.get_logger(__name__)


def keep(pages: Iterable[bytes]) -> None:
    """Have what these pages link to beside them, and forget what no page has linked to for a day. Raises OSError."""
    if settings.STATIC_ROOT is None:
        return
    root, place = Path(settings.STATIC_ROOT), shelf.folder() / FOLDER / str(settings.STATIC_URL).strip("/")
    linked = {name for page in pages for name in _linked(page)}
    wanted = linked.union(*(_in_sheet(root, sheet) for sheet in linked))
    for name in sorted(wanted):
        if not (root / name).is_file():
            log.warning("a static file of a public page is missing", name=name)
        elif _age(place / name) > REFRESH_SECONDS:
            shelf.put(place / name, (root / name).read_bytes())
    for path in place.rglob("*") if wanted else ():
        if path.is_file() and _age(path) > OLD_SECONDS:
            path.unlink(missing_ok=True)


def _linked(page: bytes) -> Iterable[str]:
    """The names of static files that a page links to."""
    prefix = str(settings.STATIC_URL)
    links = (link.decode() for link in _LINK.findall(page))
    return (link.removeprefix(prefix) for link in links if link.startswith(prefix) and ".." not in link)


@lru_cache(maxsize=100)
def _in_sheet(root: Path, name: str) -> frozenset[str]:
    """The names of what a style sheet needs: fonts and pictures."""
    if not name.endswith(".css") or not (root / name).is_file():
        return frozenset()
    links = (link.decode() for link in _URL.findall((root / name).read_bytes()))
    own = (link for link in links if not link.startswith(("data:", "http:", "https:", "/")))
    names = (posixpath.normpath(posixpath.join(posixpath.dirname(name), link)) for link in own)
    return frozenset(found for found in names if not found.startswith(".."))


def _age(path: Path) -> float:
    """Seconds since it was written; endless where it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")
