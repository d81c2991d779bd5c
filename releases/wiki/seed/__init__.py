"""The team's first document, as it was written, and its titles and openings in English."""

from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent


def document() -> str:
    """The document, word for word."""
    return (FOLDER / "cloud-wiki.md").read_text(encoding="utf-8")


@cache
def english() -> dict[str, tuple[str, str]]:
    """English title and text by the Korean title."""
    data = yaml.safe_load((FOLDER / "english.yaml").read_text(encoding="utf-8"))
    return {korean: (entry["title"], entry.get("text", "")) for korean, entry in data.items()}
