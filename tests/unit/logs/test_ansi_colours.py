"""Every class that a log line can carry has a rule, and every ink can be read on every paper (WCAG AA)."""

import math
import re
from itertools import product
from pathlib import Path

import pytest

from releases.logs import ansi

STATIC = Path(__file__).parents[3] / "static"
CSS = (STATIC / "css" / "log.css").read_text()
TOKENS = dict(re.findall(r"(--[\w-]+):\s*(light-dark\(oklch[^;]*\)|var\([^;]*\)|oklch\([^;]*\));", (STATIC / "css" / "tokens.css").read_text()))  # fmt: skip # noqa: E501
INKS = ("--text", *re.findall(r"--ink: var\((--[\w-]+)\);", CSS))
PAPERS = ("--sunken", *re.findall(r"--paper: var\((--[\w-]+)\);", CSS))


def codes() -> list[str]:
    simple = [str(code) for code in range(108)]
    return simple + [f"{kind};5;{index}" for kind in (38, 48) for index in range(256)]


def test_every_class_of_the_server_has_a_rule() -> None:
    made = "".join(ansi.to_html(f"\x1b[{code}mx".encode()) for code in codes())
    classes = {name for names in re.findall(r'class="([^"]*)"', made) for name in names.split()}
    assert len(classes) > 15
    assert [name for name in sorted(classes) if f".{name}" not in CSS] == []


def test_every_class_of_the_script_has_a_rule() -> None:
    script = (STATIC / "js" / "ansi.js").read_text()
    colours = re.findall(r'"(\w)"', re.search(r"COLOURS = \[(.*?)\]", script)[1])  # type: ignore[index]
    named = re.findall(r'names\.push\("([\w-]+)"\)', script)
    wanted = [*named, *(f"a-{c}" for c in colours), *(f"a-on-{c}" for c in colours)]
    assert len(wanted) == 22
    assert [name for name in wanted if f".{name}" not in CSS] == []


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_ink_is_readable_on_every_paper(theme: int) -> None:
    assert len(INKS) >= 9
    assert len(PAPERS) >= 8
    found = {(ink, paper): contrast(ink, paper, theme) for ink, paper in product(INKS, PAPERS)}
    assert {pair: round(value, 2) for pair, value in found.items() if value < 4.5} == {}


def contrast(one: str, other: str, theme: int) -> float:
    low, high = sorted((luminance(one, theme), luminance(other, theme)))
    return (high + 0.05) / (low + 0.05)


def luminance(token: str, theme: int) -> float:
    """Relative luminance of a token's colour: OKLCH to linear sRGB by the matrices of CSS Color 4."""
    value = TOKENS[token]
    if meant := re.match(r"var\((--[\w-]+)\)", value):
        return luminance(meant[1], theme)
    themes = re.findall(r"oklch\(([^)]*)\)", value)
    lightness, chroma, hue = map(float, themes[min(theme, len(themes) - 1)].split()[:3])
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short
    red, green, blue = (min(1.0, max(0.0, part)) for part in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
