"""Live blocks of wiki pages: tables computed from rows. A new area: a file here with `BLOCKS`, a word in `blocks`."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from releases.models import Project


class Block(NamedTuple):
    """A table that a page shows in place of `{{live: name}}`; `template` gets what `context` says of the project."""

    title: Callable[[], str]
    context: Callable[[Project], dict[str, Any]]
    template: str


@cache
def blocks() -> dict[str, Block]:
    """Every block by its name."""
    # Here, not above: these files need Block first.
    from releases.views.blocks import costs, gpu, insights, overview, procedures, risks

    areas = (overview, procedures, gpu, insights, costs, risks)
    return {name: block for area in areas for name, block in area.BLOCKS.items()}
