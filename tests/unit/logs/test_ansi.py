"""Terminal output as HTML: always escaped, with colours, as a terminal would have left it."""

import re
from html import unescape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from releases.logs.ansi import to_html, to_text

CASES = {
    "plain": (b"hello", "hello"),
    "escaped": (b"<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
    "colour": (b"\x1b[31mred\x1b[0m no", '<span class="a-r">red</span> no'),
    "empty reset": (b"\x1b[32mgo\x1b[m no", '<span class="a-g">go</span> no'),
    "bold and colour": (b"\x1b[1;34mx\x1b[22my\x1b[39mz", '<span class="a-B a-b">x</span><span class="a-b">y</span>z'),
    "background": (b"\x1b[41mx\x1b[49my", '<span class="a-on-r">x</span>y'),
    "bright": (b"\x1b[91mx\x1b[90my", '<span class="a-r">x</span><span class="a-d">y</span>'),
    "dim": (b"\x1b[2;90mx", '<span class="a-d">x</span>'),
    "styles": (b"\x1b[3;4;7;9mx\x1b[23;24;27;29my", '<span class="a-i a-u a-v a-s">x</span>y'),
    "256 colours": (
        b"\x1b[38;5;196mx\x1b[38;5;2my\x1b[48;5;232mz",
        '<span class="a-r">x</span><span class="a-g">y</span><span class="a-g a-on-d">z</span>',
    ),
    "true colour": (b"\x1b[38;2;0;0;250mx", '<span class="a-b">x</span>'),
    "true colour with colons": (b"\x1b[38:2:0:200:10mx", '<span class="a-g">x</span>'),
    "colour cut short": (b"\x1b[38;5mx\x1b[38;2;1mz\x1b[38my", "xzy"),
    "huge number": (b"\x1b[" + b"9" * 5000 + b"mx", "x"),
    "progress": (b" 10%\r 50%\r100%", "100%"),
    "progress with an end": (b" 10%\r100%\r\n", "100%"),
    "carriage return alone": (b"kept\r", "kept"),
    "colour from before the return": (b"\x1b[32m10%\r20%", '<span class="a-g">20%</span>'),
    "erase line": (b"10%\r\x1b[2K20%\x1b[K", "20%"),
    "backspace": (b"abc\x08\x08d", "ad"),
    "backspace over a colour": (b"a\x1b[31mb\x1b[0m\x08c", "ac"),
    "backspace at the start": (b"\x08a", "a"),
    "title": (b"\x1b]0;evil <title>\x07x", "x"),
    "link": (b"\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"),
    "cut sequence": (b"x\x1b[3", "x"),
    "lone escape": (b"x\x1b", "x"),
    "charset": (b"\x1b(Bx", "x"),
    "control": (b"a\x00b\x07c\td", "a␀b␇c\td"),
    "direction override": ("a\u202eb".encode(), "a\ufffdb"),
    "not UTF-8": (b"a\xffb", "a\ufffdb"),
    "Korean": ("배포 \x1b[32m성공".encode(), '배포 <span class="a-g">성공</span>'),
    "mask": ("pw=••••••".encode(), "pw=••••••"),
    "empty": (b"", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_it_renders(name: str) -> None:
    line, html = CASES[name]
    assert to_html(line) == html


@pytest.mark.parametrize("name", CASES)
def test_text_is_the_html_without_tags(name: str) -> None:
    line, html = CASES[name]
    assert to_text(line) == unescape(re.sub("<[^>]*>", "", html))


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"\x1b", b"\x1b[", b"m", b"\x1b[31", b"<script>", b'"', b"'", b"&", b"\r", b"\x08", b"\x1b]", b"\x07"]
        ),
        st.text("<>&\"'=;0123456789m[\x1b", max_size=10).map(str.encode),
    ),
    max_size=20,
).map(b"".join)

OURS = re.compile(r'<span class="a-[a-zA-Z]+(?:-[a-z])?(?: a-[a-zA-Z]+(?:-[a-z])?)*">[^<>"\']*</span>')


@settings(max_examples=300)
@given(PIECES)
@example(b"\x1b[1m<\x1b[0m>")
def test_it_never_emits_anything_unescaped(line: bytes) -> None:
    html = to_html(line)
    rest = OURS.sub("", html)
    assert not set("<>\"'") & set(rest)
    assert not re.search(r"&(?!(amp|lt|gt|quot|#x27);)", html)
    assert "\x1b" not in html and "\r" not in html
    assert unescape(re.sub("<[^>]*>", "", html)) == to_text(line)


def test_a_huge_line_is_rendered_in_linear_time() -> None:
    assert len(to_html(b"\x1b[31mx\x1b[0m<" * 20_000)) == 20_000 * len('<span class="a-r">x</span>&lt;')
    assert to_html(b"\x1b]" * 100_000 + b"x" * 100_000) == ""
