"""What a check found."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Evidence:
    """`lines` are what was seen ({"label", "value"}), `note` one sentence: the reason and mend when it failed."""

    passed: bool
    lines: list[dict[str, str]] = field(default_factory=list)
    note: str = ""


def line(label: object, value: object) -> dict[str, str]:
    """One thing that was seen. PostgreSQL's JSON holds no NUL, so it is shown as a picture."""
    return {"label": str(label).replace("\0", "␀"), "value": str(value).replace("\0", "␀")}
