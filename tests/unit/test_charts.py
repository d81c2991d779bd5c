"""Charts: where their shapes are, what their table and their sentence say, and that every shape has a name."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from releases.templatetags.charts import CROWDED, HEIGHT, WIDTH, Chart, Series, columns, lines

ROUNDED = 0.2  # of coordinates with one decimal, added up
values = st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=80)


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with translation.override("en"):
        yield


def words(value: float) -> str:
    return f"{value:g} USD"


def named(count: int) -> list[str]:
    return [f"day {place}" for place in range(count)]


def column_chart(planned: list[float | None], billed: list[float | None] | None = None) -> Chart:
    beside = Series("billed", billed) if billed else None
    return columns("costs", "Costs", named(len(planned)), [Series("planned", planned)], words, beside=beside)


def line_chart(known: list[float | None], **options: Any) -> Chart:
    return lines("cpu", "CPU", named(len(known)), [Series("measured", known)], words, **options)


def html(chart: Chart) -> str:
    return render_to_string("components/chart.html", {"chart": chart})


def test_parts_stand_on_each_other() -> None:
    series = [Series("good", [3, 1]), Series("bad", [1, None]), Series("gone", [0, 0])]
    chart = columns("ends", "Ends", named(2), series, words)
    first, second, third = chart.columns
    assert [one["mark"] for one in chart.columns] == ["one", "two", "one"]
    assert (first["y"], first["height"]) == ("30.0", "90.0")
    assert (second["y"], second["height"]) == ("0.0", "30.0")
    assert (third["y"], third["height"]) == ("90.0", "30.0")
    assert (chart.top, first["x"] == second["x"] != third["x"]) == ("4 USD", True)


def test_a_mark_stands_where_its_value_is_also_above_the_columns() -> None:
    chart = column_chart([2.0, 4.0, None], [8.0, None, 0.0])
    assert chart.most == 8
    assert [mark["path"].split()[1].split("h")[0] for mark in chart.marks] == ["0.0", "120.0"]
    assert [mark["text"] for mark in chart.marks] == ["day 0 · billed: 8 USD", "day 2 · billed: 0 USD"]
    assert len(chart.columns) == 2
    assert chart.marks[0]["path"].startswith(f"M{chart.columns[0]['x']} ")
    assert chart.description == "planned: at most 4 USD (day 1); billed: at most 8 USD (day 0)"


def test_a_line_breaks_where_nothing_is_known() -> None:
    chart = line_chart([10, None, 20, 40], most=40.0)
    assert chart.lines[0]["path"] == "M75.0 90.0M375.0 60.0L525.0 0.0"
    assert chart.description == "measured: from 10 USD (day 0) to 40 USD (day 3)"


def test_a_line_breaks_where_two_points_are_far_apart() -> None:
    chart = line_chart([10, 20, 30], places=[0, 0.1, 1], reach=0.2, most=40.0)
    assert chart.lines[0]["path"] == "M0.0 90.0L60.0 60.0M600.0 30.0"


def test_a_lonely_point_is_seen_in_a_crowd_too() -> None:
    known: list[float | None] = [5.0] * (CROWDED + 20)
    assert line_chart(known).lines[0]["dots"] == []
    known[10] = known[12] = known[-2] = None
    dots = line_chart(known).lines[0]["dots"]
    assert [dot["text"] for dot in dots] == ["day 11 · measured: 5 USD", f"day {len(known) - 1} · measured: 5 USD"]
    assert len(line_chart([1.0, 2.0, 3.0]).lines[0]["dots"]) == 3


def test_a_limit_is_drawn_named_and_said() -> None:
    chart = line_chart([10, 20], most=100.0, limit=70.0)
    page = html(chart)
    assert f'<path class="limit" d="M0 {HEIGHT * 0.3:.1f}H600"/>' in page
    assert chart.legend == [("line", "one", "measured"), ("limit", "", "limit 70 USD")]
    assert chart.description.endswith("; limit 70 USD")
    assert 'class="limit"' not in html(line_chart([10, 20], most=100.0))
    assert line_chart([10, 20], limit=70.0).most == 70  # what is drawn fits


def test_places_are_those_given_and_nothing_leaves_the_drawing() -> None:
    chart = line_chart([50.0, 130.0, -0.0], places=[0, 0.25, 1], most=100.0)
    assert chart.lines[0]["path"] == "M0.0 60.0L150.0 0.0L600.0 120.0"


@pytest.mark.parametrize("chart", [column_chart([]), column_chart([None]), line_chart([None]), line_chart([])])
def test_nothing_to_draw_is_said_in_words(chart: Chart) -> None:
    assert chart.is_empty
    page = html(chart)
    assert "Nothing to draw." in page
    assert "<svg" not in page and "<table" not in page


def test_columns_of_zeros_are_said_in_words_and_stand_in_the_table() -> None:
    chart = column_chart([None, 0.0])
    assert chart.is_empty and chart.is_known
    page = html(chart)
    assert "Nothing above zero." in page
    assert "<svg" not in page and page.count("<td") == 2


def test_a_line_of_zeros_is_something() -> None:
    assert not line_chart([0.0, 0.0]).is_empty


def test_every_shape_has_its_name_and_its_own_form() -> None:
    page = html(column_chart([2.0, None], [None, 1.0]))
    legend = page.split("</figcaption>")[0]
    assert re.findall(r'<(?:rect|path) class="([a-z ]+)"', legend) == ["part only", "beside"]
    assert re.findall(r"</svg>([a-z ]+)</li>", legend) == ["planned", "billed"]
    assert "legend" not in html(column_chart([2.0]))  # its title says it


def test_a_reader_without_eyes_gets_a_sentence_and_a_table() -> None:
    page = html(column_chart([2.0, None], [None, 1.0]))
    assert 'role="img" aria-labelledby="costs-title costs-desc"' in page
    assert '<title id="costs-title">Costs</title>' in page
    assert '<desc id="costs-desc">planned: at most 2 USD (day 0); billed: at most 1 USD (day 1)</desc>' in page
    assert re.findall(r'<th scope="col"[^>]*>([^<]+)', page) == ["When", "planned", "billed"]
    assert re.findall(r"<t[hd][^>]*num[^>]*>([^<]+)", page) == ["day 0", "2 USD", "–", "day 1", "–", "1 USD"]


@given(values, values)
def test_whatever_is_drawn_stays_inside(first: list[float | None], second: list[float | None]) -> None:
    count = min(len(first), len(second))
    series = [Series("a", first[:count]), Series("b", second[:count])]
    chart = columns("k", "K", named(count), series, words, beside=Series("c", second[:count]))
    for column in chart.columns:
        x, y, width, height = (float(column[name]) for name in ("x", "y", "width", "height"))
        assert min(x, y) > -ROUNDED and x + width < WIDTH + ROUNDED and y + height < HEIGHT + ROUNDED
    drawn = lines("k", "K", named(count), series, words)
    for line in drawn.lines:
        spots = [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", line["path"])]
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in spots)
        assert all(left <= right for (left, _y), (right, _z) in pairwise(spots))
    assert len(chart.rows) == len(drawn.rows) == count
