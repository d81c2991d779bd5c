"""Write the life cycle of releases/lifecycle.py into docs/architecture.md as diagrams. No arguments."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- lifecycle: begin (scripts/lifecycle_diagram.py) -->", "<!-- lifecycle: end -->"
sys.path.insert(0, str(ROOT))

from releases import lifecycle  # noqa: E402

SHOWN = {
    "deployment": "A deployment",
    "step": "A step",
    "endpoint": "A GPU endpoint",
    "announcement": "An announcement",
}
FIRST = {
    "deployment": lifecycle.DRAFT,
    "step": lifecycle.PENDING,
    "endpoint": lifecycle.CREATING,
    "announcement": lifecycle.SCHEDULED,
}


def diagram(kind: str) -> str:
    """The transitions of a kind ("deployment", "step") as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {FIRST[kind]}"]
    for status, allowed in lifecycle.TABLES[kind].items():
        lines += [f"    {status} --> {wanted}" for wanted in sorted(allowed)]
        if not allowed:
            lines.append(f"    {status} --> [*]")
    return "\n".join([*lines, "```"])


def block() -> str:
    """What stands between the markers, with the markers."""
    parts = [f"{title}:\n\n{diagram(kind)}" for kind, title in SHOWN.items()]
    return "\n\n".join([BEGIN, *parts, END])


def written(page: str) -> str:
    """The page with its diagrams made anew. Raises ValueError where a marker is missing."""
    before, _, rest = page.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"docs/architecture.md lacks {BEGIN} or {END}")
    return f"{before}{block()}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
