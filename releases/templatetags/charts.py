"""Charts drawn on the server: columns on each other, or lines beside each other, as coordinates of SVG.

The drawing is stretched to its place, so all text stands in HTML around it; components/chart.html holds the shapes and
the table with the same numbers. Series are told apart by pattern or dash and by name, not by colour alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

WIDTH: Final = 600
HEIGHT: Final = 120  # SVG units
MARKS: Final = ("one", "two", "three")  # classes of the series, in their order

Words = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """One row of numbers; None: nothing known there."""

    name: str
    values: Sequence[float | None]


@dataclass
class Chart:
    """A drawing and its table. `key` makes ids on the page, `says` is the sentence that a screen reader gets."""

    key: str
    title: str
    says: str
    labels: Sequence[str]
    series: Sequence[Series]
    words: Words
    most: float = 0.0
    columns: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """There is nothing in it at all: a sentence says so instead."""
        return not any(value is not None for series in self.series for value in series.values)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Class and name of each series."""
        return [(mark, series.name) for mark, series in zip(MARKS, self.series, strict=False)]

    @property
    def top(self) -> str:
        """What the upper edge stands for."""
        return self.words(self.most)

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The table: a label and the words of each series; an empty text where nothing is known."""
        cells = [["" if value is None else self.words(value) for value in series.values] for series in self.series]
        return [(label, [column[place] for column in cells]) for place, label in enumerate(self.labels)]


def columns(key: str, title: str, says: str, labels: Sequence[str], series: Sequence[Series], words: Words) -> Chart:
    """Columns of several parts on each other."""
    chart = Chart(key, title, says, labels, series, words)
    sums = [sum(one.values[place] or 0 for one in series) for place in range(len(labels))]
    chart.most = max([*sums, 1.0])
    step = WIDTH / max(len(labels), 8)
    for place in range(len(labels)):
        below = 0.0
        for mark, one in zip(MARKS, series, strict=False):
            value = one.values[place] or 0
            height = value / chart.most * HEIGHT
            if value:
                chart.columns.append(
                    {
                        "mark": mark,
                        "x": _number(place * step + step * 0.1),
                        "y": _number(HEIGHT - below - height),
                        "width": _number(step * 0.8),
                        "height": _number(height),
                        "text": f"{labels[place]} · {one.name}: {words(value)}",
                    }
                )
            below += height
    return chart


def lines(key: str, title: str, says: str, labels: Sequence[str], series: Sequence[Series], words: Words) -> Chart:
    """A line for each series; it breaks where nothing is known."""
    chart = Chart(key, title, says, labels, series, words)
    known = [value for one in series for value in one.values if value is not None]
    chart.most = max([*known, 0.0]) or 1.0
    step = WIDTH / max(len(labels), 8)
    for mark, one in zip(MARKS, series, strict=False):
        path, dots, is_drawing = [], [], False
        for place, value in enumerate(one.values):
            if value is None:
                is_drawing = False
                continue
            x, y = _number(place * step + step / 2), _number(HEIGHT - value / chart.most * HEIGHT)
            path.append(f"{'L' if is_drawing else 'M'}{x} {y}")
            dots.append({"path": f"M{x} {y}h0", "text": f"{labels[place]} · {one.name}: {words(value)}"})
            is_drawing = True
        chart.lines.append({"mark": mark, "path": "".join(path), "dots": dots})
    return chart


def _number(value: float) -> str:
    """With a point, whatever the reader's language: SVG knows no other."""
    return f"{value:.1f}"
