"""Show a line of a terminal's output as HTML or as plain text. Pure Python, no Django models.

Everything is escaped; the only markup made is <span class="..."> with classes of this file:
a-r a-g a-y a-b a-m a-c (colours), a-d (black, bright black, dim), a-B bold, a-i italic, a-u underlined,
a-s struck out, a-v inverse, and a-on-<colour> for backgrounds. 256 and true colours become the nearest of these.
"""

import re
from collections.abc import Iterator
from html import escape

_TOKEN = re.compile(
    r"\x1b\[([0-9;:]*)m"  # colours and styles
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)"  # titles, links and other strings
    r"|\x1b\[[0-?]*[ -/]*$"  # a sequence cut off by the end of the line
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|(\r|\x08)"
)
# Characters that would change how the page is read: direction overrides, and controls.
_HIDDEN = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code != 0x09},
    0x7F: "\u2421",
    **dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F), "\ufffd"),
}
_COLOURS = ("d", "r", "g", "y", "b", "m", "c", "")  # white is the text's own colour
_STYLES = {1: "a-B", 2: "a-d", 3: "a-i", 4: "a-u", 7: "a-v", 9: "a-s"}
_ENDS = {22: (1, 2), 23: (3,), 24: (4,), 27: (7,), 29: (9,)}
_RGB = ((0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229))


def to_html(line: bytes) -> str:
    """One line as safe HTML: what a terminal would have left on screen, with its colours."""
    parts: list[str] = []
    for text, classes in _runs(line):
        safe = escape(text.translate(_HIDDEN))
        parts.append(f'<span class="{classes}">{safe}</span>' if classes else safe)
    return "".join(parts)


def to_text(line: bytes) -> str:
    """One line as plain text without colours and controls: for search, messages and mail."""
    return "".join(text for text, _ in _runs(line)).translate(_HIDDEN)


def _runs(line: bytes) -> list[tuple[str, str]]:
    """The visible pieces with their classes. A carriage return with text after it starts the line anew."""
    style = _Style()
    runs: list[tuple[str, str]] = []
    is_rewound = False
    for text, codes, control in _tokens(line.decode(errors="replace").rstrip("\r\n")):
        if text:
            if is_rewound:
                runs, is_rewound = [], False
            _add(runs, text, style.classes())
        if codes is not None:
            style.apply(codes)
        elif control == "\r":
            is_rewound = True
        elif control == "\x08":
            _erase(runs)
    return runs


def _tokens(text: str) -> Iterator[tuple[str, str | None, str | None]]:
    position = 0
    for match in _TOKEN.finditer(text):
        yield text[position : match.start()], match[1], match[2]
        position = match.end()
    yield text[position:], None, None


def _add(runs: list[tuple[str, str]], text: str, classes: str) -> None:
    if runs and runs[-1][1] == classes:
        runs[-1] = (runs[-1][0] + text, classes)
    else:
        runs.append((text, classes))


def _erase(runs: list[tuple[str, str]]) -> None:
    if runs:
        text, classes = runs.pop()
        if len(text) > 1:
            runs.append((text[:-1], classes))


class _Style:
    def __init__(self) -> None:
        self.styles: set[int] = set()
        self.reset()

    def reset(self) -> None:
        self.styles.clear()
        self.colour = self.background = ""

    def classes(self) -> str:
        names = [_STYLES[code] for code in sorted(self.styles)]
        if self.colour:
            names.append(f"a-{self.colour}")
        if self.background:
            names.append(f"a-on-{self.background}")
        return " ".join(dict.fromkeys(names))

    def apply(self, codes: str) -> None:
        """Take over the codes of one SGR sequence."""
        numbers = [int(part[:4]) if part else 0 for part in re.split("[;:]", codes)]
        while numbers:
            code = numbers.pop(0)
            if code in (38, 48):
                self._set_colour(code == 48, _extended(numbers))
            else:
                self._simple(code)

    def _simple(self, code: int) -> None:
        if code == 0:
            self.reset()
        elif code in _STYLES:
            self.styles.add(code)
        elif code in _ENDS:
            self.styles.difference_update(_ENDS[code])
        elif code in (39, 49):
            self._set_colour(code == 49, "")
        elif code // 10 in (3, 4, 9, 10) and code % 10 < 8:
            is_bright = code >= 90
            self._set_colour(code // 10 in (4, 10), "d" if is_bright and code % 10 == 0 else _COLOURS[code % 10])

    def _set_colour(self, is_background: bool, name: str) -> None:
        if is_background:
            self.background = name
        else:
            self.colour = name


def _extended(numbers: list[int]) -> str:
    """Take the rest of `38;5;n` or `38;2;r;g;b` off the list; the nearest of our colours."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 5 and numbers:
        return _of_256(min(numbers.pop(0), 255))
    if kind == 2 and len(numbers) >= 3:
        red, green, blue = (min(numbers.pop(0), 255) for _ in range(3))
        return _nearest(red, green, blue)
    numbers.clear()
    return ""


def _of_256(index: int) -> str:
    if index < 16:
        return _COLOURS[index % 8]
    if index >= 232:
        level = 8 + (index - 232) * 10
        return _nearest(level, level, level)
    red, green, blue = (index - 16) // 36, (index - 16) // 6 % 6, (index - 16) % 6
    return _nearest(red * 51, green * 51, blue * 51)


def _nearest(red: int, green: int, blue: int) -> str:
    def distance(index: int) -> int:
        r, g, b = _RGB[index]
        return (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2

    return _COLOURS[min(range(8), key=distance)]
