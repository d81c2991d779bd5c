"""Templates show no text of their own: every word a person reads goes through gettext."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
# Names, units and signs that are the same in every language; languages stand in their own.
SAME = re.compile(
    r"\b(?:Cloud Wiki|YAML|SHA-256|sha256|nginx|Redis|PostgreSQL|ssh-keygen -lf \S+|CSV|JSON|English|한국어|ms|[vs])\b"
    r"|\b(?:Atom|Feed|iCalendar|HTML|Markdown|GPU|v?CPU|RAM|GB|CUDA|FlashBoot|USD)\b"
    r"|\b(?:MAX_MODEL_LEN|GPU_MEMORY_UTILIZATION)\b"
    r"|&[a-z]+;|&#\d+;"
)
SPOKEN = "aria-label|aria-description|aria-valuetext|aria-roledescription|alt|title|placeholder|data-confirm"
ATTRIBUTE = re.compile(rf'\s(?:{SPOKEN})=(?:"([^"]*)"|\'([^\']*)\')')
LETTERS = re.compile(r"[A-Za-z가-힣]{2,}|[가-힣]")


def bare(source: str) -> list[str]:
    """Words that a reader would see or hear and that no translate tag holds."""
    source = re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", source, flags=re.S)
    source = re.sub(r"{% blocktrans(?:late)?\b.*?{% endblocktrans(?:late)? %}", "", source, flags=re.S)
    source = re.sub(r"<(script|style|kbd)\b.*?</\1>", "", source, flags=re.S)
    source = re.sub(r"{%.*?%}|{{.*?}}", "", source, flags=re.S)
    spoken = [first or second for first, second in ATTRIBUTE.findall(source)]
    seen = re.split(r"<[^>]*>", source)
    words = [SAME.sub("", text).strip() for text in [*seen, *spoken]]
    return [text for text in words if LETTERS.search(text)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_shows_no_text_of_its_own(path: Path) -> None:
    assert bare(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Forgotten</p>", ["Forgotten"]),
        ("<p>잊은 글</p>", ["잊은 글"]),
        ('<button aria-label="Close it"></button>', ["Close it"]),
        ('{% translate "Said" %}<b>{{ name }}</b> and', ["and"]),
        ('<p title="{% translate "Said" %} (t)">{% translate "Said" %}</p>', []),
        ("{% blocktranslate with a=b %}<b>Said</b> {{ a }}{% endblocktranslate %}", []),
        ("{% comment %}Context: a page{% endcomment %}<dt>nginx</dt><th>SHA-256</th><kbd>Esc</kbd>", []),
    ],
)
def test_the_scanner_tells_them_apart(source: str, found: list[str]) -> None:
    assert bare(source) == found
