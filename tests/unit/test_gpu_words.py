"""What the GPU layer says is told in the reader's language: nothing of it is left out, and English says the same."""

import ast
import dataclasses
import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils.functional import Promise
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from releases.actions import gpu_error_words, gpu_rule_words, gpu_words
from releases.gpu import errors
from releases.gpu.errors import GpuError, KeyRefused
from releases.gpu.nouns import EndpointSpec, Health, Limits, Phase, Price, Readiness, Scaling, ScalingKind, Workers
from releases.gpu.policy import SENTENCES, Policy, Problem, check, check_quota
from releases.gpu.readiness import REASONS, judge, tell
from releases.models import GpuSpec
from tests.engine.gpu.specs import spec

GPU = Path(errors.__file__).parent
HANGUL = re.compile(r"[가-힣]")
LONG, SHORT = 600.0, 1.0
FEW = st.integers(min_value=0, max_value=3)


def kinds(base: type[GpuError] = GpuError) -> list[type[GpuError]]:
    return [base, *(kind for child in base.__subclasses__() for kind in kinds(child))]


def made(kind: type[GpuError], *texts: str) -> GpuError:
    """An error of a kind, as somebody raises it; what it must be given beside its message does not matter here."""
    error = kind.__new__(kind)
    GpuError.__init__(error, *texts)
    return error


def in_korean(text: Promise) -> str:
    with override("ko"):
        return str(text)


# Errors


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.code)
def test_every_kind_is_told_with_its_own_mend(kind: type[GpuError]) -> None:
    error = made(kind, "It said 42.")
    with override("en"):
        assert gpu_words.told(error) == f"{gpu_error_words.WORDS[kind.code][0]} (It said 42) {kind.mend}"
    with override("ko"):
        summary, mend = gpu_words.told(error).split(" (It said 42) ")
    assert HANGUL.search(summary) and HANGUL.search(mend)


def test_no_two_kinds_are_told_alike_and_none_is_told_that_does_not_exist() -> None:
    assert set(gpu_error_words.WORDS) == {kind.code for kind in kinds()}
    for language in ("en", "ko"):
        with override(language):
            summaries = {str(summary) for summary, _mend in gpu_error_words.WORDS.values()}
        assert len(summaries) == len(gpu_error_words.WORDS)


def test_every_mend_of_its_own_is_known() -> None:
    """A second argument of an error, wherever the GPU layer raises one, is a plain text and has a translation."""
    names = {kind.__name__ for kind in kinds()}
    calls = [
        call
        for path in GPU.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names
    ]
    found = [call.args[1] for call in calls if len(call.args) > 1]
    found += [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "mend"]
    mends = {mend.value if isinstance(mend, ast.Constant) else ast.unparse(mend) for mend in found}
    assert mends == set(gpu_error_words.SPECIAL)
    assert all(HANGUL.search(in_korean(mend)) for mend in gpu_error_words.SPECIAL.values())


def test_a_mend_of_its_own_takes_the_place_of_the_usual() -> None:
    advice = next(iter(gpu_error_words.SPECIAL))
    with override("ko"):
        known, unknown = (gpu_words.told(KeyRefused("No.", mend)) for mend in (advice, "Ask Kim."))
        usual = str(gpu_error_words.WORDS["key_refused"][1])
        assert known.endswith(f"(No) {gpu_error_words.SPECIAL[advice]}")
    assert unknown.endswith("(No) Ask Kim.")  # better in English than not at all
    assert usual not in known + unknown


def test_a_kind_without_words_is_told_as_any_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyRefused, "code", "novel")
    with override("ko"):
        assert gpu_words.told(KeyRefused("It said 42.")) == gpu_words.told(GpuError("It said 42."))


# Readiness


SEEN = (
    judge(Workers(unhealthy=1, total=2), Health(), SHORT),
    judge(Workers(), Health(in_queue=3), SHORT, 0),
    judge(Workers(running=1, total=1), Health(in_progress=1), SHORT),
    judge(Workers(idle=1, total=1), Health(in_queue=3), SHORT),
    judge(Workers(idle=1, total=1), Health(in_queue=3), LONG),
    judge(Workers(initializing=1, total=1), Health(in_queue=1), SHORT),
    judge(Workers(initializing=1, total=1), Health(in_queue=1), LONG),
    judge(Workers(throttled=1, total=1), Health(in_queue=1), SHORT),
    judge(Workers(), Health(), SHORT),
    judge(Workers(), Health(in_queue=3), SHORT),
    judge(Workers(), Health(in_queue=3), LONG),
    tell(Phase.READY, "server_serves", name="ours", model="m"),
    tell(Phase.COLD, "server_starting", detail="100% of 503"),
    tell(Phase.DOWN, "server_down", detail="no answer in time"),
    tell(Phase.DOWN, "server_empty", name="ours", model="m"),
    tell(Phase.DOWN, "server_other_model", name="ours", model="m", served="a, b"),
)


def test_each_reason_there_is_was_seen_here() -> None:
    assert [found.code for found in SEEN] == list(REASONS)


@pytest.mark.parametrize("found", SEEN, ids=lambda found: found.code)
def test_a_reason_holds_its_facts_in_both_languages(found: Readiness) -> None:
    with override("en"):
        assert gpu_words.readiness(found) == (found.reason, found.advice)
    with override("ko"):
        reason, advice = gpu_words.readiness(found)
    assert HANGUL.search(reason) and HANGUL.search(advice)
    assert [value for value in found.facts.values() if str(value) not in reason] == []


@st.composite
def some_workers(draw: st.DrawFn) -> Workers:
    counts = {name: draw(FEW) for name in ("running", "idle", "initializing", "throttled", "unhealthy")}
    return Workers(**counts, total=sum(counts.values()))


@given(
    some_workers(),
    st.builds(Health, in_queue=FEW, in_progress=FEW),
    st.floats(min_value=0, max_value=1e5),
    st.none() | FEW,
)
def test_whatever_is_seen_english_says_what_the_layer_says(
    workers: Workers, health: Health, waited: float, maximum: int | None
) -> None:
    found = judge(workers, health, waited, maximum)
    with override("en"):
        assert gpu_words.readiness(found) == (found.reason, found.advice)


# Rules


L4 = Price(Decimal("0.684"), ())
REFUSED = (
    *check_quota(spec(), Limits(4, 5)),
    *check(spec(min_workers=3), Policy(allow_always_on=True)),
    *check(spec(max_workers=0), Policy()),
    *check(spec(idle_timeout=0), Policy()),
    *check(spec(scaling=Scaling(ScalingKind.QUEUE_DELAY, 0.4)), Policy()),
    *check(spec(scaling=Scaling(ScalingKind.REQUEST_COUNT, 1.5)), Policy()),
    *check(spec(image=""), Policy()),
    *check(spec(image="a/b:latest"), Policy()),
    *check(spec(pools=()), Policy()),
    *check(spec(disk_gb=0), Policy()),
    *check(spec(execution_timeout=0), Policy()),
    *check(spec(max_workers=3), Policy()),
    *check(spec(min_workers=1), Policy()),
    *check(spec(idle_timeout=61), Policy()),
    *check(spec(execution_timeout=601), Policy()),
    *check(spec(pools=("A", "B")), Policy(pools=frozenset({"C", "D"}))),
    *check(spec(), Policy(budget_per_day=Decimal(1)), L4),
)


def test_each_rule_there_is_was_broken_here() -> None:
    assert [found.code for found in REFUSED] == list(SENTENCES) == list(gpu_rule_words.WORDS)


@pytest.mark.parametrize("found", REFUSED, ids=lambda found: found.code)
def test_a_problem_is_told_with_its_mend_in_both_languages(found: Problem) -> None:
    with override("en"):
        assert gpu_words.problem(found) == f"{found.message} {found.mend}"
    with override("ko"):
        korean = gpu_words.problem(found)
    message, mend = map(in_korean, gpu_rule_words.WORDS[found.code])
    assert HANGUL.search(message) and HANGUL.search(mend)
    shown = (f"{value:.2f}" if isinstance(value, Decimal) else str(value) for value in found.facts.values())
    assert [value for value in shown if value not in korean] == []


# Names


def test_each_field_has_a_label_the_same_as_in_the_form() -> None:
    assert set(gpu_words.FIELDS) == {field.name for field in dataclasses.fields(EndpointSpec)}
    assert all(HANGUL.search(in_korean(label)) for label in gpu_words.FIELDS.values())
    in_form = {field.name: str(field.verbose_name) for field in GpuSpec._meta.fields}
    shared = (set(gpu_words.FIELDS) & set(in_form)) - {"env", "flashboot"}  # a form's variables are a part of all
    assert {name: str(gpu_words.FIELDS[name]) for name in shared} == {name: in_form[name] for name in shared}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_each_phase_has_a_word_of_its_own(language: str) -> None:
    with override(language):
        words = [gpu_words.phase(phase) for phase in Phase]
        assert gpu_words.phase(Phase.STOPPED) == {"en": "Stopped", "ko": "중지됨"}[language]
    assert len(set(words)) == len(Phase)
    assert all(bool(HANGUL.search(word)) == (language == "ko") for word in words)
