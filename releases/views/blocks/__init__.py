"""Live tables that a page of the wiki can show: each area names its own."""

from collections.abc import Callable
from typing import Any, NamedTuple

from releases.models import Project


class Block(NamedTuple):
    """A table: its title, what its template gets, and the template."""

    title: Callable[[], str]
    context: Callable[[Project], dict[str, Any]]
    template: str
