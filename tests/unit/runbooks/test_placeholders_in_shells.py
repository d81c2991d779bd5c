"""Compiled scripts under real shells: every value arrives byte for byte, and nothing in it runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from releases.runbooks.placeholders import PlaceholderError, compile_script

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}

# Every place a value can stand; `show` prints each of its arguments ended by a NUL.
EVERYWHERE = """show {x}
show a{x}b "c{x}d" 'e{x}f'
show "$(printf '%s.' {x})" $(show_count {x} "{x}" '{x}')
show "it's {x} \\" {x}"; show 'say "{x}"'
cat <<END
{x}'"{x}"
END
show . # it's "{x}"
case {x} in {x}) show same;; *) show other;; esac
v={x}; show "$v"
sh -c 'printf "%s\\0" "$1"' sh {x}
for i in {x} "{x}"; do show "$i"; done
if [ {x} = "{x}" ]; then show equal; fi
"""
FUNCTIONS = """show() { printf '%s\\0' "$@"; }
show_count() { printf '%s' "$#"; }
"""
READ = 'cw_x=$(cat "$VALUES/x"; printf .); cw_x=${cw_x%.}\n'
PIECES = [
    "; touch ran", "$(touch ran)", "`touch ran`", "| touch ran", "&& touch ran", "& touch ran &", "\ntouch ran\n",
    "' ; touch ran; '", '" ; touch ran; "', "'\"'\"'", "\\", "\\'", '\\"', "${IFS}", "$IFS", "$((1+1))",
    "a[$(touch ran)]",
    "-rf", "--", "*", "?", "[a-z]*", "~", "~root", "{a,b}", "{x}", "${cw_x}", "#", "# c", "!", "!!", "\t", " ", "  ",
    "\n", "\n\n", "\r", "\r\n", "END", "\nEND\ntouch ran\n", "<(touch ran)", "> ran", ">ran", "<<END", "%s%n", "\\0",
    "\\n",
    "\\c", "\x01", "\x07", "\x1b[31m", "\x7f", "\x80", "\x81", "\x82", "\x88", "\xff", "한글", "🙂", "\u202e", "=",
    "x=y",
    "`", "$", "$'", '$"', "(", ")", "()", "{ touch ran; }", "esac", ";;", "then", "=~", "", "-n", "-e", "\ufeff",
    "\u2028",
]  # fmt: skip
FIXED = [*PIECES, *(a + b for a in PIECES[:26] for b in PIECES[::3]), "x" * 100_000, "'" * 5000, "$(touch ran)" * 999]

pytestmark = pytest.mark.skipif(
    any(shutil.which(command[0]) is None for command in SHELLS.values()), reason="needs dash, bash and busybox"
)


def expected(value: bytes) -> bytes:
    def shown(*words: bytes) -> bytes:
        return b"".join(word + b"\0" for word in words)

    return b"".join(
        [
            shown(value),
            shown(b"a" + value + b"b", b"c" + value + b"d", b"e" + value + b"f"),
            shown(value + b".", b"3"),
            shown(b"it's " + value + b' " ' + value),
            shown(b'say "' + value + b'"'),
            value + b"'\"" + value + b'"\n',
            shown(b"."),
            shown(b"same"),
            shown(value),
            shown(value),
            shown(value, value),
            shown(b"equal"),
        ]
    )


def execute(shell: str, folder: Path, script: str) -> bytes:
    """Run a script in an empty folder, which must be empty after it."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "VALUES": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*SHELLS[shell], "-c", script], cwd=work, env=environment, capture_output=True, timeout=60)
    assert list(work.iterdir()) == [], "the value ran as a program"
    assert done.stderr == b""
    return done.stdout


def run(shell: str, folder: Path, template: str, value: str) -> bytes:
    compiled = compile_script(template, {"x": value}, [])
    (folder / "x").write_bytes(compiled.parameters["cw_x"].encode())
    return execute(shell, folder, FUNCTIONS + READ + compiled.text)


@pytest.mark.parametrize("shell", SHELLS)
def test_five_hundred_hostile_values_arrive_whole(shell, tmp_path):
    fixed = list(dict.fromkeys(FIXED))
    assert len(fixed) >= 500
    texts = {compile_script(EVERYWHERE, {"x": value}, []).text for value in fixed}
    assert len(texts) == 1, "the text of a script depends on a value"
    for number, value in enumerate(fixed):
        (tmp_path / f"{number}.value").write_bytes(value.encode())
    take = 'cw_x=$(cat "$file"; printf .); cw_x=${cw_x%.}'
    loop = f'for file in "$VALUES"/*.value; do\n{take}\n{{\n{texts.pop()}}} > "$file.out"\ndone'
    execute(shell, tmp_path, FUNCTIONS + loop)
    for number, value in enumerate(fixed):
        assert (tmp_path / f"{number}.value.out").read_bytes() == expected(value.encode()), repr(value)[:200]


values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40) | st.lists(
    st.sampled_from(PIECES), max_size=6
).map("".join)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values)
def test_any_value_arrives_whole_wherever_it_stands(shell, tmp_path, value):
    assert run(shell, tmp_path, EVERYWHERE, value) == expected(value.encode())


# A script made of random quoted parts, with what each must print.
parts = st.sampled_from(
    [
        ("{x}", "{}"), ("a{x}", "a{}"), ("'b{x} c'", "b{} c"), ('"d\'{x}"', "d'{}"), ("'\\'{x}", "\\{}"),
        ('"\\$"{x}', "${}"),
        ("\\'{x}\\\"", "'{}\""), ('"${E}{x}"', "{}"), ('"$(printf %s. {x})"', "{}."), ("f\\ g", "f g"), ("''", ""),
        ('"$(printf %s. "h {x}")"', "h {}."), ('"i#{x}"', "i#{}"), ("j#k", "j#k"), ("${E}l", "l"),
        ("'\"'{x}'\"'", '"{}"'),
        ('"$(case a in a) printf %s. {x};; esac)"', "{}."), ('"$( (printf %s. \'{x}\') )"', "{}."),
        ('"$((1+1))"{x}', "2{}"),
    ]
)  # fmt: skip
words = st.lists(st.lists(parts, min_size=1, max_size=4), min_size=1, max_size=4)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=words, value=values)
def test_any_mix_of_quotes_keeps_its_words(shell, tmp_path, words, value):
    script = "E=; show {x} " + " ".join("".join(part for part, _shown in word) for word in words)
    shown = ["{}", *("".join(shown for _part, shown in word) for word in words)]
    assert run(shell, tmp_path, script, value) == b"".join(text.replace("{}", value).encode() + b"\0" for text in shown)


FRAGMENTS = ["{x}", "$(", "${", "$((", "<<E\n", "\nE\n", "case a in a)", "esac", "sh -c ", "eval ", "| sh", "ssh h "]
templates = st.lists(st.sampled_from([*"'\"`$(){}[]\\#;&|<>!= \n", *FRAGMENTS]), max_size=25).map("".join)


@settings(max_examples=400)
@given(template=templates)
def test_broken_scripts_are_compiled_or_refused_and_never_hold_the_value(template):
    try:
        compiled = compile_script(template, {"x": "V;A;L"}, [])
    except PlaceholderError as error:
        assert template.startswith(f"{{{error.name}}}", error.offset)
    else:
        assert "V;A;L" not in compiled.text
