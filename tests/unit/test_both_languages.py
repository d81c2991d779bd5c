"""Both languages say the same everywhere: runbooks, plurals, dates, numbers; and no view speaks without gettext."""

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polib
import pytest
import yaml
from django.template import Context, Template
from django.utils import timezone, translation

from releases.runbooks import loader
from releases.templatetags import figures, moments
from scripts import messages

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(loader.SEED_FOLDER.glob("*.yaml"))
TEXTS = {"title", "note", "help", "message", "tool", "instructions", "irreversible"}
HANGUL = re.compile(r"[가-힣]")


def local_texts(value: Any, path: str = "") -> list[tuple[str, dict[str, str]]]:
    """Every text of a runbook that has a language, with its place."""
    found = []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        place = f"{path}/{key}"
        if key in TEXTS and isinstance(inner, dict) and set(inner) <= {"ko", "en"}:
            found.append((place, inner))
        else:
            found += local_texts(inner, place)
    return found


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_text_of_a_shipped_runbook_is_in_both_languages(path: Path) -> None:
    texts = local_texts(yaml.safe_load(path.read_text()))
    assert len(texts) > 5
    assert [place for place, text in texts if not text.get("ko", "").strip() or not text.get("en", "").strip()] == []
    assert [place for place, text in texts if HANGUL.search(text["en"])] == [], "English with Korean in it"


def test_the_check_above_finds_a_missing_language() -> None:
    assert local_texts({"steps": [{"title": {"ko": "하나"}}]}) == [("/steps/0/title", {"ko": "하나"})]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_loaded_runbook_speaks_both_languages(path: Path) -> None:
    found = loader.load(path.read_text())
    for step in found.steps:
        assert step.title.in_language("ko-kr") == step.title.ko
        assert step.title.in_language("en-gb") == step.title.en


@pytest.mark.parametrize(
    ("away", "english", "korean"),
    [
        (timedelta(seconds=-1), "just now", "방금"),
        (timedelta(seconds=-59), "59 s ago", "59초 전"),
        (timedelta(minutes=-1, seconds=-2), "1 min ago", "1분 전"),
        (timedelta(hours=-23, seconds=-2), "23 h ago", "23시간 전"),
        (timedelta(days=-1, seconds=-2), "1 d ago", "1일 전"),
        (timedelta(days=-30, seconds=-2), "30 d ago", "30일 전"),
        (timedelta(hours=2, seconds=30), "in 2 h", "2시간 뒤"),
    ],
)
def test_how_long_ago(away: timedelta, english: str, korean: str) -> None:
    moment = timezone.now() + away
    with translation.override("en"):
        assert moments.relative(moment) == english
    with translation.override("ko"):
        assert moments.relative(moment) == korean


@pytest.mark.parametrize(("language", "shown"), [("ko", "2020-02-29(토) 09:05"), ("en", "Sat 2020-02-29 09:05")])
def test_a_day_in_both_orders(language: str, shown: str) -> None:
    with translation.override(language):
        assert f">{shown}<" in moments.at(datetime(2020, 2, 29, 0, 5, tzinfo=UTC), "Asia/Seoul")


@pytest.mark.parametrize("language", ["ko", "en"])
def test_numbers_are_the_same_in_both_languages(language: str) -> None:
    with translation.override(language):
        assert figures.clock(3723) == "1:02:03"
        assert figures.size(1_500_000) == "1.5 MB"
        assert figures.share(1, 3) == 33.3
        assert "33.3" in figures.bar(1, 3)  # a decimal comma would break the drawing
        assert Template("{{ n }} {{ f }}").render(Context({"n": 10_000, "f": 0.9})) == "10000 0.9"


PLURALS = [entry for entry in polib.pofile(str(messages.catalogue("ko"))) if entry.msgid_plural]


@pytest.mark.parametrize("entry", PLURALS, ids=lambda entry: entry.msgid[:40])
def test_one_and_many_differ_in_english_and_are_one_in_korean(entry: polib.POEntry) -> None:
    for number in (0, 1, 2, 5):
        with translation.override("en"):
            said = translation.ngettext(entry.msgid, entry.msgid_plural, number)
            assert said == (entry.msgid if number == 1 else entry.msgid_plural)
        with translation.override("ko"):
            said = (
                translation.npgettext(entry.msgctxt, entry.msgid, entry.msgid_plural, number)
                if entry.msgctxt
                else (translation.ngettext(entry.msgid, entry.msgid_plural, number))
            )
            assert said == entry.msgstr_plural[0]


# Calls whose text a person reads, and where it stands among the arguments (a keyword, or the place).
SPOKEN = {
    "done": 1,
    "refusal": 1,
    "add_error": 1,
    "EngineError": 0,
    "Conflict": 0,
    "NotAllowed": 0,
    "PermissionDenied": 0,
}
SPOKEN |= {"ValidationError": 0, "HttpResponseForbidden": 0}
KEYWORDS = {"label", "help_text", "empty_label", "verbose_name"}
WORDS = re.compile(r"[A-Za-z가-힣]{2,}\s+[A-Za-z가-힣]{2,}|[가-힣]")


def untranslated(tree: ast.AST) -> list[tuple[int, str]]:
    """Texts for people that go past gettext: given to a call that shows them, or as a form's label."""
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        place = SPOKEN.get(name)
        given = [call.args[place]] if place is not None and len(call.args) > place else []
        in_forms = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in {"forms", "django_filters"}
        given += [keyword.value for keyword in call.keywords if keyword.arg in KEYWORDS and in_forms]
        for value in given:
            said = (
                value.value
                if isinstance(value, ast.Constant)
                else ast.unparse(value)
                if isinstance(value, ast.JoinedStr)
                else ""
            )
            if isinstance(said, str) and WORDS.search(said):
                found.append((call.lineno, said))
    return found


SPEAKING = sorted({*(ROOT / "releases" / "views").rglob("*.py"), *(ROOT / "releases" / "engine").rglob("*.py")})


@pytest.mark.parametrize("path", SPEAKING, ids=lambda path: str(path.relative_to(ROOT / "releases")))
def test_no_view_and_no_verb_speaks_without_gettext(path: Path) -> None:
    assert untranslated(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('raise EngineError("Not now please")', 1),
        ('raise EngineError(f"It said {who} again and again")', 1),
        ('raise EngineError(_("Not now please"))', 0),
        ('forms.CharField(label="Your name")', 1),
        ('forms.CharField(label=gettext_lazy("Your name"))', 0),
        ('done(request, "다 됐습니다")', 1),
    ],
)
def test_the_scanner_tells_them_apart(source: str, count: int) -> None:
    assert len(untranslated(ast.parse(source))) == count
