"""What an endpoint may be, and what it can cost."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.gpu.nouns import Limits, Price, Scaling, ScalingKind
from releases.gpu.policy import Policy, check, check_quota, worst_case
from tests.engine.gpu.specs import spec

L4 = Price(Decimal("0.684"), ())
BY_DELAY, BY_COUNT = ScalingKind.QUEUE_DELAY, ScalingKind.REQUEST_COUNT


def wrong(policy: Policy | None = None, price: Price | None = None, **changes: Any) -> list[str]:
    return [problem.field for problem in check(spec(**changes), policy or Policy(), price)]


def test_a_sound_spec_has_no_problem() -> None:
    assert wrong() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_workers": 3}, "max_workers"),
        ({"max_workers": 0}, "max_workers"),
        ({"min_workers": 1}, "min_workers"),
        ({"min_workers": -1}, "min_workers"),
        ({"idle_timeout": 61}, "idle_timeout"),
        ({"idle_timeout": 0}, "idle_timeout"),
        ({"execution_timeout": 601}, "execution_timeout"),
        ({"execution_timeout": 0}, "execution_timeout"),
        ({"image": "runpod/worker-v1-vllm"}, "image"),
        ({"image": "runpod/worker-v1-vllm:latest"}, "image"),
        ({"image": "registry:5000/worker"}, "image"),
        ({"pools": ()}, "pools"),
        ({"disk_gb": 0}, "disk_gb"),
        ({"scaling": Scaling(BY_DELAY, 0.4)}, "scaling"),
        ({"scaling": Scaling(BY_COUNT, 1.5)}, "scaling"),
        ({"scaling": Scaling(BY_COUNT, 0)}, "scaling"),
    ],
)
def test_each_rule_names_its_field(changes: dict[str, Any], field: str) -> None:
    assert wrong(**changes) == [field]


def test_pools_are_held_to_those_allowed() -> None:
    policy = Policy(pools=frozenset({"AMPERE_24"}))
    assert wrong(policy) == []
    assert wrong(policy, pools=("AMPERE_24", "AMPERE_80")) == ["pools"]


def test_an_always_on_worker_can_be_allowed() -> None:
    assert wrong(Policy(allow_always_on=True), min_workers=1) == []


def test_idle_time_does_not_count_when_scaling_by_requests() -> None:
    assert wrong(scaling=Scaling(BY_COUNT, 4), idle_timeout=0) == []


@pytest.mark.parametrize("image", ["a/b:1", "a/b@sha256:" + "0" * 64, "registry:5000/worker:v2"])
def test_a_fixed_version_is_a_tag_or_a_digest(image: str) -> None:
    assert wrong(image=image) == []


def test_the_worst_case_is_all_workers_all_day() -> None:
    worst = worst_case(spec(), L4)
    assert (worst.per_hour, worst.per_day) == (Decimal("1.368"), Decimal("32.832"))


def test_the_budget_is_held() -> None:
    assert wrong(Policy(budget_per_day=Decimal("32.83")), L4) == [""]
    assert wrong(Policy(budget_per_day=Decimal("32.84")), L4) == []
    assert wrong(Policy(budget_per_day=Decimal(1))) == []  # nothing is said without a price


@given(st.decimals(min_value=0, max_value=100, places=4), st.integers(min_value=1, max_value=20), st.decimals(1, 1000))
def test_no_spec_within_budget_can_cost_more(per_hour: Decimal, workers: int, budget: Decimal) -> None:
    price, wanted = Price(per_hour, ()), replace(spec(), max_workers=workers)
    problems = check(wanted, Policy(max_workers=20, budget_per_day=budget), price)
    assert bool(problems) == (worst_case(wanted, price).per_day > budget)


def test_the_quota_is_looked_at_beforehand() -> None:
    assert check_quota(spec(), Limits(3, 5)) == []
    (problem,) = check_quota(spec(), Limits(4, 5))
    assert "4 of 5" in problem.message
    assert check_quota(spec(), Limits(99, None)) == []


def test_each_problem_says_what_to_do() -> None:
    worst = spec(max_workers=9, min_workers=99, image="", pools=(), disk_gb=0, idle_timeout=9999)
    assert all(problem.message.endswith(".") and problem.mend.endswith(".") for problem in check(worst, Policy(), L4))
