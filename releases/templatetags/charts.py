"""Charts drawn on the server: columns on each other, or lines beside each other, as coordinates of SVG.

The drawing is stretched to its place, so all text stands in HTML around it; components/chart.html holds the shapes and
the table with the same numbers. Series are told apart by pattern or dash and by name, not by colour alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from django.utils.translation import gettext as _

WIDTH: Final = 600
HEIGHT: Final = 120  # SVG units
WIDEST: Final = WIDTH / 12  # a column with its room, however few there are
CROWDED: Final = 60  # with more points than this, only those without a neighbour get a dot
MARKS: Final = ("one", "two", "three")  # classes of the series, in their order
ONLY: Final = ("only",)  # the class of columns that have nothing on them

Words = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """One row of numbers; None: nothing known there."""

    name: str
    values: Sequence[float | None]

    @classmethod
    def of(cls, name: str, amounts: Iterable[Decimal | None]) -> "Series":
        """Of exact amounts, such as money."""
        return cls(name, [None if amount is None else float(amount) for amount in amounts])


@dataclass
class Chart:
    """A drawing and its table. `key` makes ids on the page, `says` is the sentence that a screen reader gets."""

    key: str
    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    words: Words
    says: str = ""
    beside: Series | None = None  # of columns: a mark of its own at each, such as what was billed beside the plan
    limit: float | None = None  # of lines: drawn across
    most: float = 0.0
    columns: list[dict[str, Any]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """There is nothing to draw: no line, and no column above zero. A sentence says so instead."""
        return not (self.columns or self.marks or self.lines)

    @property
    def is_known(self) -> bool:
        """There are numbers, be they all zero: the table shows them."""
        return any(value is not None for series in self._all for value in series.values)

    @property
    def legend(self) -> list[tuple[str, str, str]]:
        """Shape, class and name of whatever is drawn; nothing where the title alone says it."""
        shape, classes = ("line", MARKS) if self.lines else ("part", _classes(self.series))
        found = [(shape, mark, series.name) for mark, series in zip(classes, self.series, strict=False)]
        if self.marks and self.beside:
            found.append(("beside", "", self.beside.name))
        if self.limit is not None:
            found.append(("limit", "", self._limit_words))
        return found if len(found) > 1 else []

    @property
    def top(self) -> str:
        """What the upper edge stands for."""
        return self.words(self.most)

    @property
    def limit_y(self) -> str | None:
        """Where the limit is drawn."""
        return None if self.limit is None else self.y(self.limit)

    @property
    def description(self) -> str:
        """The sentence for a screen reader, with the limit."""
        return self.says if self.limit is None else f"{self.says}; {self._limit_words}"

    @property
    def heads(self) -> list[str]:
        """The heads of the table's columns."""
        return [series.name for series in self._all]

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The table: a label and the words of each series; an empty text where nothing is known."""
        cells = [["" if value is None else self.words(value) for value in series.values] for series in self._all]
        return [(label, [column[place] for column in cells]) for place, label in enumerate(self.labels)]

    def y(self, value: float) -> str:
        """How far down a value is drawn."""
        return _number(HEIGHT - min(value, self.most) / self.most * HEIGHT)

    def text(self, place: int, series: Series, value: float) -> str:
        """What a pointer is told."""
        return f"{self.labels[place]} · {series.name}: {self.words(value)}"

    @property
    def _all(self) -> list[Series]:
        return [*self.series, self.beside] if self.beside else [*self.series]

    @property
    def _limit_words(self) -> str:
        return _("limit %s") % self.words(self.limit or 0)


def columns(
    key: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    words: Words,
    *,
    beside: Series | None = None,
    says: str = "",
) -> Chart:
    """Columns of several parts on each other, and the marks of one more series."""
    chart = Chart(key, title, labels, series, words, says or _at_most(labels, series, beside, words), beside)
    sums = [sum(one.values[place] or 0 for one in series) for place in range(len(labels))]
    marks = [(place, value) for place, value in enumerate(beside.values if beside else []) if value is not None]
    chart.most = max([*sums, *(value for _place, value in marks), 0.0]) or 1.0
    step = WIDTH / max(len(labels), 1)
    width = min(step, WIDEST) * 0.8
    for place in range(len(labels)):
        chart.columns += _column(chart, place, (place + 0.5) * step - width / 2, width)
    for place, value in marks:
        x, y = (place + 0.5) * step - width / 2, chart.y(value)
        path = f"M{_number(x)} {y}h{_number(width)}"
        chart.marks.append({"path": path, "text": chart.text(place, beside, value) if beside else ""})
    return chart


def lines(
    key: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    words: Words,
    *,
    places: Sequence[float] = (),
    reach: float = 1.0,
    most: float | None = None,
    limit: float | None = None,
) -> Chart:
    """A line for each series; it breaks where nothing is known.

    `places`: where each label is from left (0) to right (1), evenly without; further apart than `reach`, two are not
    joined. `most`: what the upper edge stands for.
    """
    chart = Chart(key, title, labels, series, words, _from_to(labels, series, words), limit=limit)
    known = [value for one in series for value in one.values if value is not None]
    chart.most = most or max([*known, limit or 0.0]) or 1.0
    step = WIDTH / max(len(labels), 1)
    xs = [place * WIDTH for place in places] or [(place + 0.5) * step for place in range(len(labels))]
    for mark, one in zip(MARKS, series, strict=False):
        if any(value is not None for value in one.values):
            chart.lines.append({"mark": mark} | _line(chart, one, xs, reach * WIDTH))
    return chart


def _classes(series: Sequence[Series]) -> tuple[str, ...]:
    return ONLY if len(series) == 1 else MARKS


def _column(chart: Chart, place: int, x: float, width: float) -> list[dict[str, Any]]:
    """The parts of one column, from below."""
    found, below = [], 0.0
    for mark, one in zip(_classes(chart.series), chart.series, strict=False):
        value = one.values[place] or 0
        height = value / chart.most * HEIGHT
        if value:
            found.append(
                {
                    "mark": mark,
                    "x": _number(x),
                    "y": _number(HEIGHT - below - height),
                    "width": _number(width),
                    "height": _number(height),
                    "text": chart.text(place, one, value),
                }
            )
        below += height
    return found


def _line(chart: Chart, one: Series, xs: Sequence[float], reach: float) -> dict[str, Any]:
    """The path of a line, and its dots; a point that is joined to none is a dot in any case."""
    pairs = zip(pairwise(one.values), pairwise(xs), strict=True)
    joined = [None not in pair and right - left <= reach for pair, (left, right) in pairs]
    path, dots = [], []
    for place, (value, before, after) in enumerate(zip(one.values, [False, *joined], [*joined, False], strict=True)):
        if value is None:
            continue
        x, y = _number(xs[place]), chart.y(value)
        path.append(f"{'L' if before else 'M'}{x} {y}")
        if len(one.values) <= CROWDED or not (before or after):
            dots.append({"path": f"M{x} {y}h0", "text": chart.text(place, one, value)})
    return {"path": "".join(path), "dots": dots}


def _at_most(labels: Sequence[str], series: Sequence[Series], beside: Series | None, words: Words) -> str:
    """The highest of each series."""
    said = []
    for one in [*series, beside] if beside else series:
        known = [(value, label) for label, value in zip(labels, one.values, strict=True) if value is not None]
        if known:
            most, when = max(known)
            said.append(
                _("%(name)s: at most %(most)s (%(when)s)") % {"name": one.name, "most": words(most), "when": when}
            )
    return "; ".join(said)


def _from_to(labels: Sequence[str], series: Sequence[Series], words: Words) -> str:
    """Where each line begins and ends."""
    said = []
    for one in series:
        known = [(label, value) for label, value in zip(labels, one.values, strict=True) if value is not None]
        if known:
            sentence = _("%(name)s: from %(first)s (%(begin)s) to %(last)s (%(end)s)") % {
                "name": one.name, "first": words(known[0][1]), "begin": known[0][0],
                "last": words(known[-1][1]), "end": known[-1][0],
            }  # fmt: skip
            said.append(sentence)
    return "; ".join(said)


def _number(value: float) -> str:
    """With a point, whatever the reader's language: SVG knows no other."""
    return f"{value:.1f}"
