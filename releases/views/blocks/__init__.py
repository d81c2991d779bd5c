"""Live parts of wiki pages: each a title, what it shows for a project, and its template."""

from collections.abc import Callable
from typing import Any, NamedTuple

from releases.models import Project


class Block(NamedTuple):
    """One live part, by its name in a page."""

    title: Callable[[], str]
    context: Callable[[Project], dict[str, Any]]
    template: str
