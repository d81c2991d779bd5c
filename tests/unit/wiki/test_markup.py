"""The Markdown of pages: what it knows, and that nothing of it is ever markup of ours."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from releases.wiki import markup


def html(text: str) -> str:
    return "".join(piece.html or f"<live {piece.live}>" for piece in markup.render(text).pieces)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](https://elsewhere.example/tracker.png)",
        '<a href="https://x" onclick="alert(1)">x</a>',
        "[x](//elsewhere.example)",
        "[[<b>x</b>]]",
        '{{live: "><script>alert(1)</script>}}',
        "```\n</code></pre><script>alert(1)</script>\n```",
        '| a |\n| - |\n| <iframe src="x"> |',
    ],
)
def test_nothing_that_is_typed_is_markup(evil: str) -> None:
    found = html(evil)
    for tag in (
        "<script",
        "<img",
        "<iframe",
        "<b>",
        '<a href="https://x" on',
        'href="javascript',
        'href="data',
        'href="//',
    ):
        assert tag not in found


@given(st.text(max_size=300))
def test_any_text_is_rendered_and_is_only_what_is_allowed(text: str) -> None:
    with translation.override("en"):
        for piece in markup.render(text).pieces:
            assert piece.live or markup.clean(piece.html) == piece.html


def test_tables_boxes_and_lines_through() -> None:
    found = html("| a | b |\n| - | -: |\n| 1 | 2 |\n\n- [ ] open\n- [x] closed\n\n~~gone~~")
    assert '<table class="tbl">' in found
    assert '<td class="r">2</td>' in found
    assert '<span class="vh">not done:</span> open' in found
    assert '<span class="vh">done:</span> closed' in found
    assert "<s>gone</s>" in found


def test_a_live_block_stands_on_a_line_of_its_own() -> None:
    rendered = markup.render(
        "before\n{{live: flow}}\nafter {{live: no}} in a line\n\n    {{live: code}}\n\n- {{live: list}}"
    )
    assert [piece.live for piece in rendered.pieces if piece.live] == ["flow"]
    assert markup.live_names("```\n{{live: fenced}}\n```\n{{ live: costs_total , written: 3 }}") == ["costs_total"]
    assert markup.render("{{live: costs_total, written: 3}}").pieces[0].written == 3


def test_headings_stand_below_the_title_without_a_gap_and_have_their_own_anchors() -> None:
    rendered = markup.render("##### 절차\n\n###### a.b\n\n# top\n\n### 절차")
    assert [(h.level, h.anchor, h.text) for h in rendered.headings] == [
        (2, "h-절차", "절차"),
        (3, "h-a-b", "a.b"),
        (2, "h-top", "top"),
        (3, "h-절차-2", "절차"),
    ]
    assert '<h3 id="h-a-b">a.b</h3>' in rendered.pieces[0].html


def test_links_to_pages() -> None:
    def find(reference: str) -> tuple[str, str] | None:
        return ("/there/", "There") if reference in {"There", "there", "저기"} else None

    found = "".join(p.html for p in markup.render("[[There]] [[There|go]] [words](page:저기) [[Not]]", find).pieces)
    assert found.count('href="/there/"') == 3
    assert ">go</a>" in found
    assert ">words</a>" in found
    assert "Not</span> (no such page)" in found


def test_a_path_into_a_repository_is_shown_and_leads_nowhere() -> None:
    assert html("[doc](./docs/a.md)") == "<p>doc (<code>./docs/a.md</code>)</p>\n"
    assert 'href="https://example.com"' in html("[doc](https://example.com)")


def test_a_picture_is_its_words() -> None:
    assert html("![the system](./a.png)") == '<p><span class="picture">Picture: the system</span></p>\n'


def test_a_drawing_in_words_says_that_it_is_one() -> None:
    assert '<span class="vh">A drawing, in words:</span>' in html("```mermaid\ngraph TD\n```")


def test_a_break_is_a_break() -> None:
    assert "<br>" in html("| a |\n| - |\n| one <br> two |")
