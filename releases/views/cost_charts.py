"""Small charts of months and of hours, as coordinates of SVG, with the table behind each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

WIDTH: Final = 600  # SVG units
HEIGHT: Final = 72
BAR: Final = 0.62  # of the room of a column


@dataclass
class Drawing:
    """What components/cost_chart.html draws. `rows`: label and values of the table behind it."""

    key: str
    title: str
    unit: str
    heads: list[str]
    rows: list[tuple[str, list[str]]] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    dots: list[tuple[float, float]] = field(default_factory=list)
    limit_y: float | None = None
    limit: str = ""
    most: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.columns or self.paths or self.dots)


def columns(
    key: str, title: str, unit: str, heads: Sequence[str], points: Sequence[tuple[str, Decimal, Decimal | None]]
) -> Drawing:
    """A column for each label, and a mark for the second figure where there is one."""
    most = max(
        [value for _label, value, _mark in points] + [mark or Decimal(0) for *_more, mark in points] + [Decimal(0)]
    )
    found = Drawing(key, title, unit, list(heads), most=_money(most))
    found.rows = [(label, [_money(value), "–" if mark is None else _money(mark)]) for label, value, mark in points]
    if not most:
        return found
    step = WIDTH / max(len(points), 12)
    for place, (label, value, mark) in enumerate(points):
        height = float(value / most) * HEIGHT
        found.columns.append(
            {
                "x": round(place * step, 1),
                "y": round(HEIGHT - height, 1),
                "width": round(step * BAR, 1),
                "height": round(height, 1),
                "mark_y": None if mark is None else round(HEIGHT - float(mark / most) * HEIGHT, 1),
                "text": f"{label}: {_money(value)} {unit}",
            }
        )
    return found


def line(
    key: str,
    title: str,
    head: str,
    points: Sequence[tuple[datetime, float | None]],
    zone: ZoneInfo,
    limit: float | None,
) -> Drawing:
    """Percent over time from 0 to 100. Where nothing is known the line has a gap."""
    found = Drawing(key, title, "%", [head], limit="" if limit is None else f"{limit:.0f}", most="100")
    found.limit_y = None if limit is None else _y(limit)
    known = [(moment, value) for moment, value in points if value is not None]
    found.rows = [
        (f"{moment.astimezone(zone):%m-%d %H:%M}", ["–" if value is None else f"{value:.1f}"])
        for moment, value in points
    ]
    if not known:
        return found
    first, last = points[0][0], points[-1][0]
    span = max((last - first).total_seconds(), 1.0)
    piece: list[str] = []
    for moment, value in [*points, (last, None)]:
        if value is not None:
            x = (moment - first).total_seconds() / span * WIDTH
            piece.append(f"{x:.1f} {_y(value):.1f}")
            continue
        if len(piece) > 1:
            found.paths.append("M" + "L".join(piece))
        elif piece:
            x_text, y_text = piece[0].split()
            found.dots.append((float(x_text), float(y_text)))
        piece = []
    return found


def _y(percent: float) -> float:
    return round(HEIGHT - min(100.0, max(0.0, percent)) / 100.0 * HEIGHT, 1)


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"
