"""The plain part of YAML, and what is refused of the rest."""

import pytest

from releases.runbooks.messages import RunbookErrors
from releases.runbooks.source import MAX_BYTES, parse


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: &x 1\nb: *x", 1, 4, "anchors and aliases"),
        ("a: [&a [x, x], *a]", 1, 5, "anchors and aliases"),
        ("a:\n  b: !!python/object:os.system x", 2, 6, "tags"),
        ("a: 1\nb: {1: 2}", 2, 5, "not a text"),
        ("a: 1\n[x]: 2", 2, 1, "not a text"),
        ("true: 1", 1, 1, "not a text"),
        ("a: 1\nb: 2\na: 3", 3, 1, "given twice"),
        ("a:\n\tb: 1", 2, 1, "tab"),
        ("a: 1\n---\nb: 2", 2, 1, "second document"),
        ("a: [1", 1, 6, "valid YAML"),
        ("a: b: c", 1, 5, "valid YAML"),
        ("a: 'x", 1, 6, "valid YAML"),
        ("a: @x", 1, 4, "valid YAML"),
        ("a: 1\nb: \x07", 2, 1, "does not allow"),
        ("a: x\nb: rm \u202e x", 2, 7, "invisible"),
        ('a: x\nb: "rm \\u202e x"', 2, 4, "invisible"),
        ('a: x\nb: "rm \\0 x"', 2, 4, "NUL"),
        ('a: x\nb: "rm \\ud800 x"', 2, 4, "broken character"),
        ("[" * 40 + "]" * 40, 1, 22, "too deep"),
        ("a: " + "x" * MAX_BYTES, 1, 1, "257 KB"),
    ],
)
def test_what_is_refused_says_where_and_why(text, line, column, message):
    try:
        errors = parse(text).errors
    except RunbookErrors as caught:
        errors = caught.errors
    assert [(error.line, error.column) for error in errors] == [(line, column)]
    assert message in str(errors[0].message)
    assert str(errors[0].mend)


def test_a_bomb_of_brackets_is_refused_at_once():
    with pytest.raises(RunbookErrors, match="too deep"):
        parse("a: " + "[" * 100_000)


def test_values_are_text_unless_plainly_otherwise():
    text = "a: [true, false, null, 7, -3, 007, 1.5, no, on, 1:30, 2026-11-25, 0x1f, '7', \"true\", True, .inf]"
    assert parse(text).data["a"] == [
        True, False, None, 7, -3, "007", "1.5", "no", "on", "1:30", "2026-11-25", "0x1f", "7", "true", "True", ".inf"
    ]  # fmt: skip


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm():
    source = parse("\ufeffa: |\r\n  x\r\n  y\r\nb: 1\r\n")
    assert source.data == {"a": "x\ny\n", "b": 1}
    assert source.span(("b",)).line == 4


def test_a_place_that_does_not_exist_is_that_of_what_is_around_it():
    source = parse("a:\n  b: 1")
    assert source.span(("a", "c", 0)).line == 2
    assert source.span(("x",)).line == 1
