"""The diagrams of docs/architecture.md are those of the table in lifecycle.py."""

import pytest

from releases import lifecycle
from scripts import lifecycle_diagram


def test_the_page_shows_the_table_as_it_is() -> None:
    page = lifecycle_diagram.PAGE.read_text()
    assert lifecycle_diagram.written(page) == page, "run scripts/lifecycle_diagram.py"


@pytest.mark.parametrize("kind", ["deployment", "step"])
def test_every_transition_is_drawn_and_no_other(kind: str) -> None:
    drawn = {
        tuple(line.strip().split(" --> "))
        for line in lifecycle_diagram.diagram(kind).splitlines()
        if " --> " in line and "[*]" not in line
    }
    assert drawn == {(status, wanted) for status, allowed in lifecycle.TABLES[kind].items() for wanted in allowed}


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks"):
        lifecycle_diagram.written("# Architecture")
