"""The life cycle table: closed, and every status has a way out or is an end."""

import pytest

from releases import lifecycle
from releases.models import Announcement, EndpointState, Status

ENDS = {
    "deployment": {lifecycle.SUCCEEDED},
    "step": {lifecycle.SUCCEEDED},
    "attempt": set(lifecycle.ATTEMPT_FINISHED),
    "endpoint": {lifecycle.RETIRED},
    "announcement": {lifecycle.DONE},
}
STARTS = {
    "deployment": {lifecycle.DRAFT},
    "step": {lifecycle.PENDING, lifecycle.SKIPPED},
    "attempt": {lifecycle.DISPATCHING, lifecycle.WAITING},
    "endpoint": {lifecycle.CREATING},
    "announcement": {lifecycle.SCHEDULED, lifecycle.IN_PROGRESS},
}


@pytest.mark.parametrize("kind", lifecycle.TABLES)
def test_every_target_is_a_status_of_the_table(kind: str) -> None:
    table = lifecycle.TABLES[kind]
    assert {wanted for allowed in table.values() for wanted in allowed} <= set(table)


@pytest.mark.parametrize("kind", lifecycle.TABLES)
def test_only_ends_have_no_way_out(kind: str) -> None:
    assert {status for status, allowed in lifecycle.TABLES[kind].items() if not allowed} == ENDS[kind]


@pytest.mark.parametrize("kind", lifecycle.TABLES)
def test_every_status_can_be_reached(kind: str) -> None:
    table, reached = lifecycle.TABLES[kind], set(STARTS[kind])
    while more := {wanted for status in reached for wanted in table[status]} - reached:
        reached |= more
    assert reached == set(table)


@pytest.mark.parametrize("kind", lifecycle.TABLES)
def test_every_status_can_come_to_success(kind: str) -> None:
    table = lifecycle.TABLES[kind]
    for status in set(table) - ENDS[kind]:
        reached = {status}
        while more := {wanted for s in reached for wanted in table[s]} - reached:
            reached |= more
        assert reached & ENDS[kind], f"{kind} {status} never ends"


def test_unknown_is_never_left_without_a_decision() -> None:
    assert lifecycle.RUNNING not in lifecycle.STEP[lifecycle.UNKNOWN]
    assert lifecycle.UNKNOWN in lifecycle.ACTIVE
    assert lifecycle.UNKNOWN not in lifecycle.STEP_PASSED


def test_it_refuses_what_the_table_does_not_allow() -> None:
    with pytest.raises(lifecycle.ForbiddenTransition) as caught:
        lifecycle.require("deployment", lifecycle.SUCCEEDED, lifecycle.RUNNING)
    assert (caught.value.current, caught.value.wanted) == (lifecycle.SUCCEEDED, lifecycle.RUNNING)


def test_sources_are_the_old_statuses_of_a_guarded_update() -> None:
    assert lifecycle.sources("deployment", lifecycle.SUCCEEDED) == {lifecycle.RUNNING, lifecycle.CANCELLING}


def test_every_status_has_a_word() -> None:
    used = {status for kind in ("deployment", "step", "attempt") for status in lifecycle.TABLES[kind]}
    assert used == set(Status.values)
    assert set(lifecycle.GPU_ENDPOINT) == set(EndpointState.values)
    assert set(lifecycle.ANNOUNCEMENT) == set(Announcement.State.values)
