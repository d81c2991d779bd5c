"""The comparison of the seed's 4.2 on a phone: each row a block of labelled values, and still a table by its roles."""

from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.installation import Person
from tests.browser.test_access import faults_of

Come = Callable[..., Person]
LABELS = {
    "ko": ["수작업 배포", "이 시스템", "목표", "달성"],
    "en": ["Manual procedure", "This system", "Goal", "Met"],
}
ROWS = 7


@pytest.mark.parametrize(("language", "theme"), [("ko", "dark"), ("en", "light")])
def test_a_phone_shows_every_value_with_its_name(come: Come, language: str, theme: str) -> None:
    size = {"width": 390, "height": 844}
    admin = come("admin", language=language, locale=language, color_scheme=theme, viewport=size)
    page = admin.open("/insights/comparison")
    table = page.locator("table.tbl")
    assert page.locator(".scroll-x").first.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(ROWS)
    for row in rows.all():
        assert row.locator(".lab").all_inner_texts() == LABELS[language]
        for value in [row.locator("th"), *row.locator("td").all()]:
            assert _inside(value, 390)
    assert faults_of(page, 390) == []
    roles = Counter(_roles(page))
    heads = len(LABELS[language]) + 1
    assert (roles["table"], roles["columnheader"], roles["rowheader"]) == (1, heads, ROWS)
    assert (roles["row"], roles["cell"]) == (ROWS + 1, ROWS * len(LABELS[language]))


def test_a_wide_screen_names_each_column_once(come: Come) -> None:
    page = come("admin", language="en", locale="en").open("/insights/comparison")
    assert page.locator("table.tbl thead th").all_inner_texts()[1:] == LABELS["en"]
    expect(page.locator("table.tbl .lab:visible")).to_have_count(0)


def _inside(one: Locator, width: int) -> bool:
    box = one.bounding_box()
    return bool(box and box["width"] and box["x"] >= 0 and box["x"] + box["width"] <= width)


def _roles(page: Page) -> list[str]:
    """What the browser tells a screen reader of the table's parts."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    return [str(node["role"]["value"]) for node in nodes if not node["ignored"]]
