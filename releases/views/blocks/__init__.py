"""Parts of pages that stand by themselves and are always true: the wiki shows them among its own texts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from releases.models import Project


class Block(NamedTuple):
    """One part: its title, what its template needs, and the template."""

    title: Callable[[], str]
    context: Callable[[Project], dict[str, Any]]
    template: str
