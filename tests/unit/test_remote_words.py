"""Errors of the remote layer are told in the reader's language, each with its mend."""

import ast
from pathlib import Path

import pytest
from django.utils.translation import override

from releases.actions import remote_words
from releases.remote import errors
from releases.remote.errors import HostUnreachable, NoSpace, RemoteError

REMOTE = Path(errors.__file__).parent


def kinds(base: type[RemoteError] = RemoteError) -> list[type[RemoteError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.code)
def test_every_kind_is_told_with_its_own_mend(kind: type[RemoteError]) -> None:
    assert kind.code in remote_words._WORDS
    with override("en"):
        told = remote_words.told(kind("It said 42."))
    assert "(It said 42)" in told
    assert told.endswith(kind.mend)
    with override("ko"):
        assert kind.mend not in remote_words.told(kind("It said 42."))


def test_every_mend_of_its_own_is_known() -> None:
    """A second argument of an error, wherever the remote layer raises one, has a translation."""
    names = {kind.__name__ for kind in kinds()}
    given = [
        call.args[1].value
        for path in REMOTE.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names
        if len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    ]
    assert given
    assert set(given) <= set(remote_words._SPECIAL)


def test_a_mend_of_its_own_takes_the_place_of_the_usual() -> None:
    advice = next(iter(remote_words._SPECIAL))
    with override("en"):
        told = remote_words.told(NoSpace("Could not write.", advice))
    assert told.endswith(advice)
    assert NoSpace.mend not in told


def test_korean_keeps_what_the_machine_said() -> None:
    with override("ko"):
        told = remote_words.told(HostUnreachable("Could not connect to 10.0.0.9:22: Connection refused."))
    assert told.startswith("호스트에 연결할 수 없습니다.")
    assert "10.0.0.9:22: Connection refused" in told
