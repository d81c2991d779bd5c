"""Creating exactly once, against a provider that loses, delays and repeats; and what endpoints look like in JSON."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releases.gpu import runpod_shapes as shapes
from releases.gpu.errors import (
    AnswerUnreadable,
    CreateUnknown,
    GpuError,
    ProviderRefused,
    ProviderUnavailable,
    QuotaFull,
    TwoOfOneName,
)
from releases.gpu.nouns import Endpoint, EndpointSpec, FlashBoot, Scaling, ScalingKind
from releases.gpu.patience import Deadline
from releases.gpu.runpod_create import Creation, differences, same_name
from tests.engine.gpu.specs import SECRET, spec

NAME = "qwen-r42"
LOST = ProviderUnavailable("lost", sent=True)
NEVER_SENT = ProviderUnavailable("no way there", sent=False)


class Cloud:
    """Endpoints that appear so many looks after they were asked for. `replies`: None for one that arrives."""

    def __init__(self, replies: list[GpuError | None], late: int = 0, name: str = NAME) -> None:
        self.replies, self.late, self.name = replies, late, name
        self.coming: list[int] = []  # looks until it is there, one an endpoint
        self.posts = 0

    def post(self, _: Deadline) -> Endpoint:
        self.posts += 1
        error = self.replies.pop(0) if self.replies else None
        if error is None or error is LOST:
            self.coming.append(self.late if error else 0)
        if error:
            raise error
        return self._endpoint(len(self.coming))

    def list_all(self, _: Deadline) -> list[Endpoint]:
        there = [number for number, looks in enumerate(self.coming, 1) if looks <= 0]
        self.coming = [looks - 1 for looks in self.coming]
        return [self._endpoint(number) for number in there]

    def _endpoint(self, number: int) -> Endpoint:
        return Endpoint(str(number), self.name, replace(spec(), name=self.name), {}, None)

    def create(self, settle: float = 0.0) -> Endpoint:
        return Creation(spec(), NAME, post=self.post, list_all=self.list_all, settle=settle).run(Deadline(20))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deadline, "pause", lambda self, seconds: self.check())


def test_a_lost_reply_is_found() -> None:
    cloud = Cloud([LOST])
    assert cloud.create().id == "1"
    assert cloud.posts == 1


def test_what_was_never_sent_is_sent_again() -> None:
    cloud = Cloud([NEVER_SENT, NEVER_SENT])
    assert cloud.create().id == "1"
    assert len(cloud.coming) == 1


def test_what_comes_late_is_waited_for() -> None:
    cloud = Cloud([LOST], late=5)
    assert cloud.create(settle=5).id == "1"
    assert cloud.posts == 1


def test_what_comes_later_than_we_waited_is_told() -> None:
    """The first one appears when the second was made: both cost money, so a person must know."""
    with pytest.raises(TwoOfOneName) as caught:
        Cloud([LOST], late=2).create()
    assert caught.value.ids == ("1", "2")


def test_a_refusal_after_a_lost_one_hides_no_endpoint() -> None:
    """The first request was done late, and took the quota that the second one asked for."""
    cloud = Cloud([LOST, QuotaFull("no workers left")], late=2)
    assert cloud.create().id == "1"
    with pytest.raises(CreateUnknown, match="no workers left"):
        Cloud([LOST, QuotaFull("no workers left")], late=99).create()


def test_a_stop_after_a_lost_one_hides_no_endpoint() -> None:
    cloud = Cloud([LOST], late=1)

    def stopped() -> bool:
        return cloud.posts > 0

    creation = Creation(spec(), NAME, post=cloud.post, list_all=cloud.list_all, settle=5)
    assert creation.run(Deadline(20, stopped)).id == "1"


def test_an_unreadable_reply_is_a_lost_one() -> None:
    cloud = Cloud([])
    odd = cloud.post

    def post(deadline: Deadline) -> Endpoint:
        odd(deadline)
        raise AnswerUnreadable("odd")

    cloud.post = post  # type: ignore[method-assign]
    assert cloud.create().id == "1"
    assert cloud.posts == 1


def test_nothing_is_tried_without_end() -> None:
    cloud = Cloud([ProviderUnavailable("away", sent=True)] * 99)
    with pytest.raises(CreateUnknown):
        cloud.create()
    assert cloud.posts == 3
    with pytest.raises(ProviderUnavailable, match="no way"):
        Cloud([NEVER_SENT] * 99).create()


@pytest.mark.parametrize("error", [QuotaFull("full"), ProviderRefused("no")])
def test_a_refusal_is_not_repeated(error: GpuError) -> None:
    cloud = Cloud([error])
    with pytest.raises(type(error)):
        cloud.create()
    assert cloud.posts == 1


@given(st.lists(st.sampled_from([None, LOST, NEVER_SENT]), max_size=4), st.integers(min_value=0, max_value=4))
def test_whatever_happens_there_is_one_or_it_is_told(replies: list[GpuError | None], late: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Deadline, "pause", lambda self, seconds: self.check())
        cloud = Cloud(list(replies), late)
        outcome: Callable[[], Endpoint] = cloud.create
        try:
            outcome()
        except TwoOfOneName as error:
            assert len(error.ids) > 1
        except CreateUnknown:
            assert LOST in replies
        except ProviderUnavailable:
            assert not cloud.coming
        else:
            assert len(cloud.coming) == 1 or late > 1  # later than three looks: nobody could have known


def test_the_older_mark_of_flashboot_in_a_name_is_overlooked() -> None:
    assert same_name("qwen-r42 -fb", "qwen-r42")
    assert not same_name("qwen-r42", "qwen-r4")


def test_differences_are_of_what_it_is_not_of_how_much() -> None:
    assert differences(spec(), spec(max_workers=0, idle_timeout=1, flashboot=FlashBoot.OFF)) == ()
    assert differences(spec(), spec(env={}, excluded_types=(), disk_gb=0)) == ()  # a reply may leave these out
    assert differences(spec(env={}), spec()) == ("env",)
    assert differences(spec(), spec(pools=("ADA_24",), disk_gb=1)) == ("pools", "disk_gb")


# JSON


TEXT = st.text(min_size=1, max_size=8)
SCALING = st.builds(Scaling, st.just(ScalingKind.QUEUE_DELAY), st.integers(1, 60)) | st.builds(
    Scaling, st.just(ScalingKind.REQUEST_COUNT), st.integers(1, 60)
)
SPECS = st.builds(
    EndpointSpec,
    name=TEXT,
    image=TEXT,
    env=st.dictionaries(TEXT, st.text()),
    pools=st.lists(TEXT, min_size=1).map(tuple),
    excluded_types=st.lists(TEXT).map(tuple),
    min_cuda=st.sampled_from(["", "12.8", "13.0"]),
    disk_gb=st.integers(1, 500),
    max_workers=st.integers(0, 20),
    min_workers=st.integers(0, 20),
    idle_timeout=st.integers(1, 3600),
    execution_timeout=st.integers(1, 86400),
    scaling=SCALING,
    gpu_count=st.integers(1, 8),
    flashboot=st.sampled_from(FlashBoot),
)


def reply(wanted: EndpointSpec, **changes: Any) -> dict[str, Any]:
    made = {"id": "one", "createdAt": "2026-06-01T12:00:00Z", **shapes.creation(wanted, wanted.name)}
    return {**made, **changes}


@given(SPECS)
def test_what_is_sent_comes_back_the_same(wanted: EndpointSpec) -> None:
    idle = wanted.idle_timeout if wanted.scaling.kind is ScalingKind.QUEUE_DELAY else 0
    seen = shapes.endpoint(reply(wanted))
    assert seen.spec == replace(wanted, idle_timeout=idle)
    assert seen.created == datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_endpoints_of_other_kinds_do_not_spoil_the_list() -> None:
    for_cpu = reply(spec(), gpu=None, image=None, disk=None, requestUrls={"base": "https://x", "health": "https://x/h"})
    (seen,) = shapes.endpoints({"endpoints": [for_cpu]})
    assert seen.spec.pools == () and set(seen.urls) == {"health"}


@pytest.mark.parametrize("name", ["id", "name", "workers", "scaling", "timeout", "flashboot"])
def test_a_missing_field_is_named(name: str) -> None:
    answer = reply(spec())
    del answer[name]
    with pytest.raises(AnswerUnreadable, match=name):
        shapes.endpoint(answer)


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(TEXT, inner) | st.lists(inner))
)
def test_no_answer_breaks_the_reading(answer: Any) -> None:
    readers = (shapes.endpoint, shapes.endpoints, shapes.workers, shapes.cards, shapes.spend, shapes.health, shapes.job)
    for read in readers:
        with pytest.raises(AnswerUnreadable):
            read(answer)


def test_an_unreadable_answer_repeats_no_value() -> None:
    with pytest.raises(AnswerUnreadable) as caught:
        shapes.endpoint(reply(spec(), timeout=SECRET, scaling={"type": SECRET}))
    assert SECRET not in str(caught.value)


def test_a_job_tells_seconds_and_its_error() -> None:
    job = shapes.job({"id": "j", "status": "COMPLETED", "delayTime": 1500, "executionTime": 250, "workerId": "w"})
    assert (job.delay, job.execution, job.worker, job.ended, job.error) == (1.5, 0.25, "w", True, "")
    assert shapes.job({"id": "j", "status": "COMPLETED", "output": {"error": "no"}}).error == "no"
    assert not shapes.job({"id": "j", "status": "SOMETHING_NEW"}).ended
    with pytest.raises(ValueError, match="zone"):
        shapes.instant(datetime(2026, 1, 1))
