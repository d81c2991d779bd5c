"""Every component, both themes, wide and narrow: axe finds nothing, nothing scrolls sideways."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Gallery

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["deployment", "plan", "states"])
def test_axe_finds_nothing(page: Page, gallery: Gallery, name: str, theme: str, width: int) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(gallery.url(name))
    if name == "deployment":
        page.locator("log-pane").scroll_into_view_if_needed()
        expect(page.locator("log-pane .ln").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [(one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in found["violations"]] == []


def test_the_skip_link_is_first(page: Page, gallery: Gallery) -> None:
    page.goto(gallery.url("deployment"))
    page.keyboard.press("Tab")
    expect(page.locator("a.vh")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_no_style_attribute_is_rendered(page: Page, gallery: Gallery) -> None:
    """Inline styles and scripts are refused by the policy, so none may come from a template."""
    for name in ("deployment", "plan", "states", "log"):
        source = page.request.get(gallery.url(name)).text()
        assert " style=" not in source
        assert " onclick=" not in source
        assert "<style" not in source
        assert "<script>" not in source
