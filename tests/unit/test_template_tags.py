"""Numbers, moments and statuses as the pages show them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.template import Context, Template
from django.utils import timezone, translation

from releases import lifecycle
from releases.templatetags import drawings, figures, icons, moments, navigation


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(480, "8:00"), (0, "0:00"), (59.9, "0:59"), (3723, "1:02:03"), (None, "–"), ("", "–"), (-5, "-0:05"),
     (timedelta(minutes=2, seconds=4), "2:04")],
)  # fmt: skip
def test_clock(seconds: float | None, text: str) -> None:
    assert figures.clock(seconds) == text


def test_long_clock_has_two_digits() -> None:
    assert figures.long_clock(198.4) == "03:18"
    assert figures.long_clock(634) == "10:34"
    assert figures.tenth(198.46) == 4


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (84_200_000, "84.2 MB"),
        (412_000_000, "412 MB"),
        (61 * 10**9, "61.0 GB"),
        (None, "–"),
    ],
)
def test_bytes(count: int | None, text: str) -> None:
    assert figures.size(count) == text


def test_short_digest_keeps_the_name_of_its_kind() -> None:
    assert figures.short_digest("a41f9c2e00aa") == "a41f9c2e"
    assert figures.short_digest("sha256:7c1e41d2aaaabbbb9b04") == "sha256:7c1e41d2…9b04"
    assert figures.short_digest("") == "–"


def test_every_status_of_the_life_cycle_has_its_own_look() -> None:
    for kind in ("deployment", "step", "attempt"):
        assert set(lifecycle.TABLES[kind]) <= set(icons.SHAPES)
    shown = {code: icons.look(code).shape for code in lifecycle.STEP}
    assert len(set(shown.values())) == len(shown)


def test_a_status_that_nobody_knows_is_shown_as_unknown() -> None:
    assert icons.look("exploded").code == "unknown"


def test_a_word_is_escaped() -> None:
    assert "<b>" not in icons.state("failed", "<b>no</b>")


@pytest.mark.parametrize(
    ("elapsed", "state"), [(0, "running"), (479, "running"), (480, "waiting"), (599, "waiting"), (600, "failed")]
)
def test_the_budget_turns_amber_at_80_and_red_at_100_percent(elapsed: int, state: str) -> None:
    assert drawings.budget_state(elapsed, 600) == state


def test_no_budget_never_turns() -> None:
    assert drawings.budget_state(900, None) == "running"


def test_the_emergency_branch_is_spoken_only_when_it_is_taken() -> None:
    phases = [{"title": title, "state": "succeeded"} for title in "abcde"]
    assert "recovery" not in drawings.flow_map(phases)["spoken"]
    taken = drawings.flow_map(phases, {"title": "recovery", "state": "waiting"})
    assert taken["hot"]
    assert "recovery" in taken["spoken"]


def test_a_moment_is_shown_in_the_zone_of_the_environment() -> None:
    moment = datetime(2020, 11, 24, 17, 0, 3, tzinfo=UTC)
    with translation.override("ko"):
        shown = moments.when(moment, "Asia/Seoul")
    assert "2020-11-25(수) 02:00:03 KST" in shown
    assert 'datetime="2020-11-25T02:00:03+09:00"' in shown


@pytest.mark.parametrize(
    ("away", "text"),
    [(timedelta(), "just now"), (timedelta(minutes=-3, seconds=-5), "3 min ago"),
     (timedelta(days=-7, seconds=-5), "7 d ago"),     (timedelta(minutes=47, seconds=5), "in 47 min")],
)  # fmt: skip
def test_relative_time(away: timedelta, text: str) -> None:
    with translation.override("en"):
        assert moments.relative(timezone.now() + away) == text


def test_nothing_is_a_dash() -> None:
    assert moments.when(None) == moments.at(None) == moments.ago(None) == moments.time_of_day(None) == "–"


def test_the_section_of_a_page_is_marked() -> None:
    assert navigation.current(Context({"section": "hosts"}), "hosts") == ' aria-current="page"'
    assert navigation.current(Context({"section": "hosts"}), "backups") == ""
    assert navigation.current(Context({}), "backups") == ""


def test_a_bar_turns_amber_past_its_tick() -> None:
    drawn = Template("{% load figures %}{% step_bar 217 180 'succeeded' %}").render(Context())
    assert 'class="over"' in drawn
    assert 'class="over"' not in Template("{% load figures %}{% step_bar 170 180 'succeeded' %}").render(Context())
