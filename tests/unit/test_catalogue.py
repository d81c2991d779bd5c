"""The Korean catalogue is whole: it says exactly the texts of the sources, with their placeholders."""

import ast
import re
import shutil
import string
from collections import Counter
from pathlib import Path

import polib
import pytest

from scripts import messages

type Key = tuple[str | None, str]
MARKERS = {"_", "gettext", "ngettext"}
PERCENT = re.compile(r"%(?:\([a-z_]+\))?[-0-9.]*[sdrfi%]")


@pytest.fixture(scope="module")
def korean() -> polib.POFile:
    return polib.pofile(str(messages.catalogue("ko")))


def key(entry: polib.POEntry) -> Key:
    return entry.msgctxt, entry.msgid


def texts(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def placeholders(text: str) -> Counter[str]:
    return Counter(PERCENT.findall(text)) + Counter(re.findall(r"\{[a-z_]+\}", text))


def test_it_holds_every_text_of_the_sources_and_no_other(korean: polib.POFile, tmp_path: Path) -> None:
    if shutil.which("xgettext") is None:
        pytest.skip("xgettext is not installed (Debian package gettext)")
    found = {key(entry) for entry in polib.pofile(str(messages.extract(tmp_path, "ko")))}
    known = {key(entry) for entry in korean if not entry.obsolete}
    assert not found - known, "not in the catalogue; run `make messages` and translate"
    assert not known - found, "used nowhere any more; run `make messages`"
    assert len(found) > 900


def test_it_has_no_obsolete_guessed_or_empty_entry(korean: polib.POFile) -> None:
    assert korean.obsolete_entries() == []
    assert [entry.msgid for entry in korean if entry.fuzzy] == []
    assert [entry.msgid for entry in korean if not entry.fuzzy and not all(map(str.strip, texts(entry)))] == []


def test_plural_entries_have_the_one_form_of_korean(korean: polib.POFile) -> None:
    assert korean.metadata["Plural-Forms"] == "nplurals=1; plural=0;"
    assert [entry.msgid for entry in korean if entry.msgid_plural and list(entry.msgstr_plural) != [0]] == []


def test_translations_keep_the_placeholders(korean: polib.POFile) -> None:
    wrong = [
        (entry.msgid, text)
        for entry in korean
        for text in texts(entry)
        if placeholders(text) != placeholders(entry.msgid_plural or entry.msgid)
    ]
    assert wrong == []


def test_translations_can_be_filled_in(korean: polib.POFile) -> None:
    """A placeholder glued to Korean text must still end where it should, such as %(n)s건."""
    for entry in korean:
        names = set(re.findall(r"%\(([a-z_]+)\)", entry.msgid_plural or entry.msgid))
        for text in texts(entry):
            if names:
                assert text % dict.fromkeys(names, 7)
            if "python-brace-format" in entry.flags:
                assert list(string.Formatter().parse(text))


def test_korean_is_korean(korean: polib.POFile) -> None:
    """Texts left as they are would be forgotten ones; these few are names, units or signs."""
    same = {
        "Cloud Wiki",
        "DevOps",
        "GPU",
        "URL",
        "AI",
        "Backend",
        "Frontend",
        "{at} / {count}",
        "%(url)s: %(problem)s.",
        "%(low)s to %(high)s",
    }
    unsaid = {entry.msgid for entry in korean for text in texts(entry) if not re.search(r"[가-힣]", text)}
    assert unsaid <= same


def test_compiling_writes_what_the_source_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "ko" / "LC_MESSAGES" / "django.po"
    shutil.copytree(messages.LOCALE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.mo"))
    monkeypatch.setattr(messages, "LOCALE", tmp_path)
    assert messages.main([]) == 0
    compiled = source.with_suffix(".mo")
    assert {entry.msgid for entry in polib.mofile(str(compiled))} == {
        entry.msgid for entry in polib.pofile(str(source))
    }
    before = compiled.stat().st_mtime_ns
    assert messages.main([]) == 0
    assert compiled.stat().st_mtime_ns == before


def test_a_broken_catalogue_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "ko" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True)
    source.write_text('msgid "a"\nmsgid "b"\nbroken')
    monkeypatch.setattr(messages, "LOCALE", tmp_path)
    assert messages.main([]) == 1
    assert str(source) in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(messages.ROOT.glob("releases/**/*.py")), ids=lambda path: path.name)
def test_no_text_hides_in_an_f_string(path: Path) -> None:
    """The extractor does not look into f-strings, so a text there would never be translated."""
    hidden = [
        call.func.id
        for string in ast.walk(ast.parse(path.read_text()))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in {"_", "gettext", "ngettext"}
    ]
    assert hidden == []
