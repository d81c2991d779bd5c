"""The RunPod client against an emulated RunPod, over real HTTP."""

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

import pytest

from releases.gpu.errors import (
    AddressUntrusted,
    AnswerUnreadable,
    CreateUnknown,
    EndpointDiffers,
    EndpointGone,
    GpuError,
    KeyRefused,
    NotDrained,
    PriceUnknown,
    ProviderRefused,
    ProviderUnavailable,
    QuotaFull,
    RateLimited,
    Stopped,
    TwoOfOneName,
    UnknownModel,
)
from releases.gpu.nouns import Phase, Readiness, Scaling, ScalingKind, Way
from releases.gpu.runpod import RunPod
from tests.emulators.runpod import RunPod as Emulator

from .specs import MODEL, SECRET, question, spec

CREATE, LIST = "POST /v2/serverless", "GET /v2/serverless"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


def client_of(emulator: Emulator, **settings: object) -> RunPod:
    addresses = {"control_url": emulator.control_url, "data_url": emulator.data_url}
    quick = {"key": emulator.key, "settle": 0.3, "look_again": 0.05}
    return RunPod(**{**addresses, **quick, **settings})  # type: ignore[arg-type]


@pytest.fixture
def client(emulator: Emulator) -> Iterator[RunPod]:
    with client_of(emulator) as runpod:
        yield runpod


def until[T](look: Callable[[], T], right: Callable[[T], bool]) -> T:
    """What `look` says once it is right. Fails after 20 s."""
    wait = threading.Event()
    for _ in range(400):
        if right(seen := look()):
            return seen
        wait.wait(0.05)
    raise AssertionError(f"never became right; last: {seen}")


def in_background(work: Callable[[], object]) -> threading.Thread:
    def quietly() -> None:
        with suppress(GpuError):  # the test may end it
            work()

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    return thread


def phase_becomes(client: RunPod, ref: str, phase: Phase, waited: float = 0.0) -> Readiness:
    return until(lambda: client.readiness(ref, waited), lambda seen: seen.phase is phase)


# Creating


def test_an_endpoint_is_created_as_specified(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(), "r42")
    assert made.name == "qwen-r42"
    assert made.spec == spec(name="qwen-r42")
    assert made.urls["run"] == f"{emulator.data_url}/{made.id}/run"
    assert made.created is not None and made.created.tzinfo is not None
    assert client.get(made.id) == made


def test_scaling_by_requests_sends_no_idle_timeout(client: RunPod) -> None:
    made = client.create(spec(scaling=Scaling(ScalingKind.REQUEST_COUNT, 4)), "r1")
    assert made.spec.scaling == Scaling(ScalingKind.REQUEST_COUNT, 4)
    assert client.set_capacity(made.id, 0, 1).spec.max_workers == 1


def test_the_same_release_is_created_once(emulator: Emulator, client: RunPod) -> None:
    first = client.create(spec(), "r42")
    assert client.create(spec(), "r42").id == first.id
    assert client.create(spec(), "r43").id != first.id
    assert emulator.requests.count(CREATE) == 2


def test_another_thing_of_the_same_name_is_not_taken_for_it(client: RunPod) -> None:
    client.create(spec(), "r42")
    with pytest.raises(EndpointDiffers) as caught:
        client.create(spec(image="other/image:1", env={"A": SECRET}), "r42")
    assert caught.value.fields == ("image", "env")
    assert SECRET not in str(caught.value)


def test_a_lost_reply_makes_no_second_endpoint(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("lost_reply")
    made = client.create(spec(), "r42")
    assert [endpoint.id for endpoint in emulator.endpoints] == [made.id]
    assert emulator.requests.count(CREATE) == 1


def test_a_reply_that_never_comes_makes_no_second_endpoint(emulator: Emulator) -> None:
    emulator.fault("no_reply", only=CREATE)
    with client_of(emulator, quiet=0.5) as client:
        made = client.create(spec(), "r42")
    assert [endpoint.id for endpoint in emulator.endpoints] == [made.id]
    assert emulator.requests.count(CREATE) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_is_looked_into_before_it_is_tried_again(emulator: Emulator, status: int) -> None:
    emulator.fault("server_error", status=status, only=CREATE)
    with client_of(emulator) as client:
        made = client.create(spec(), "r42")
    assert [endpoint.id for endpoint in emulator.endpoints] == [made.id]
    first, second = (place for place, line in enumerate(emulator.requests) if line == CREATE)
    assert LIST in emulator.requests[first:second], "nobody looked for it before the second attempt"
    assert LIST in emulator.requests[second:], "nobody looked whether there are two now"


def test_a_doubt_that_cannot_be_settled_is_told(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("lost_reply")

    def break_the_list_once_it_was_sent() -> bool:
        if CREATE in emulator.requests:
            emulator.fault("server_error", only=LIST, times=1000)
        return False

    with pytest.raises(CreateUnknown):
        client.within(3, break_the_list_once_it_was_sent).create(spec(), "r42")
    emulator.clear()
    (there,) = emulator.endpoints
    assert client.create(spec(), "r42").id == there.id


def test_a_list_that_fails_before_anything_was_sent_leaves_no_doubt(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("server_error", only=LIST, times=1000)
    with pytest.raises(ProviderUnavailable):
        client.within(1).create(spec(), "r42")
    assert CREATE not in emulator.requests


def test_a_creation_of_which_nothing_is_known_says_so(emulator: Emulator) -> None:
    emulator.fault("server_error", only=CREATE, times=100)
    with client_of(emulator) as client, pytest.raises(CreateUnknown, match="qwen-r42"):
        client.within(3).create(spec(), "r42")


def test_two_of_one_name_are_told(emulator: Emulator, client: RunPod) -> None:
    first = client.create(spec(), "r42")
    second = client.create(spec(), "r43")
    next(each for each in emulator.endpoints if each.id == second.id).settings["name"] = "qwen-r42"
    with pytest.raises(TwoOfOneName) as caught:
        client.create(spec(), "r42")
    assert set(caught.value.ids) == {first.id, second.id}


def test_the_quota_is_told(emulator: Emulator, client: RunPod) -> None:
    client.create(spec(max_workers=4), "r1")
    with pytest.raises(QuotaFull, match="workers quota") as caught:
        client.create(spec(max_workers=2), "r2")
    assert caught.value.quota == 5
    assert len(emulator.endpoints) == 1


def test_a_refusal_is_shown_whole(client: RunPod) -> None:
    with pytest.raises(ProviderRefused, match="unknown pool MOON_24") as caught:
        client.create(spec(pools=("MOON_24",), excluded_types=()), "r1")
    assert caught.value.title == "Bad Request"


def test_no_refusal_repeats_a_secret(emulator: Emulator, client: RunPod) -> None:
    with pytest.raises(ProviderRefused) as caught:
        client.create(spec(pools=(SECRET,), excluded_types=()), "r1")
    error = caught.value
    assert SECRET not in f"{error} {error.detail} {error.errors} {error.mend}"
    assert emulator.key not in str(error)


# The way there


def test_a_wrong_key_is_told_without_it(emulator: Emulator) -> None:
    with client_of(emulator, key="rpa_wrong") as client, pytest.raises(KeyRefused) as caught:
        client.list_all()
    assert "rpa_wrong" not in f"{caught.value} {caught.value.mend}"
    assert len(emulator.requests) == 1, "a refused key was tried again"


@pytest.mark.parametrize("key", ["rpa_secret\nX", "rpa_비밀"])
def test_what_can_not_be_a_key_is_told_without_it(emulator: Emulator, key: str) -> None:
    with pytest.raises(KeyRefused) as caught:
        client_of(emulator, key=key)
    assert "rpa_" not in "".join(traceback.format_exception(caught.value.with_traceback(None)))


def test_a_key_may_have_been_pasted_with_a_line_break(emulator: Emulator) -> None:
    with client_of(emulator, key=f" {emulator.key}\n") as client:
        assert client.list_all() == []


def test_retry_after_is_honoured(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("rate_limit", retry_after=1)
    began = datetime.now(UTC)
    assert client.list_all() == []
    assert datetime.now(UTC) - began >= timedelta(seconds=1)
    assert len(emulator.requests) == 2


def test_a_longer_wait_than_there_is_patience_is_told_at_once(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("rate_limit", retry_after=3000)
    with pytest.raises(RateLimited, match="3000 s") as caught:
        client.within(20).list_all()
    assert caught.value.seconds == 3000


def test_a_creation_that_was_limited_is_tried_again(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("rate_limit", only=CREATE, retry_after=1)
    made = client.create(spec(), "r42")
    assert [endpoint.id for endpoint in emulator.endpoints] == [made.id]


@pytest.mark.parametrize("status", [500, 503])
def test_server_errors_are_tried_again(emulator: Emulator, client: RunPod, status: int) -> None:
    made = client.create(spec(), "r1")
    emulator.fault("server_error", status=status, times=2)
    assert client.get(made.id).id == made.id


def test_a_lost_reply_to_a_change_is_tried_again(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(), "r1")
    emulator.fault("lost_reply", only="PATCH *")
    assert client.set_capacity(made.id, 0, 1).spec.max_workers == 1
    emulator.fault("lost_reply", only="DELETE *")
    client.delete(made.id)
    assert emulator.endpoints == []


def test_waiting_can_be_stopped(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("rate_limit", retry_after=30)
    with pytest.raises(Stopped):
        client.within(60, lambda: bool(emulator.requests)).list_all()


def test_a_provider_that_is_away_is_told() -> None:
    emulator = Emulator()
    emulator.stop()
    with client_of(emulator) as client, pytest.raises(ProviderUnavailable) as caught:
        client.within(1).list_all()
    assert not caught.value.sent


def test_job_addresses_elsewhere_get_no_key(emulator: Emulator) -> None:
    with client_of(emulator, data_url="http://127.0.0.1:9/v2") as client:
        made = client.create(spec(), "r1")
        with pytest.raises(AddressUntrusted):
            client.health(made.id)


# What there is


def test_endpoints_are_listed_by_the_beginning_of_their_name(client: RunPod) -> None:
    ours = client.create(spec(max_workers=1), "r1")
    client.create(spec(name="else", max_workers=1), "r1")
    assert [each.id for each in client.list_owned("qwen-")] == [ours.id]
    assert len(client.list_all()) == 2


def test_an_unknown_endpoint_is_gone(client: RunPod) -> None:
    with pytest.raises(EndpointGone):
        client.get("nowhere")


def test_capacity_is_set_and_nothing_else(client: RunPod) -> None:
    made = client.create(spec(), "r1")
    changed = client.set_capacity(made.id, 1, 3)
    assert changed.spec == spec(name="qwen-r1", min_workers=1, max_workers=3)
    assert until(lambda: client.workers(made.id), lambda seen: seen.ready == 1).members[0].card == "NVIDIA L4"


def test_raising_capacity_over_the_quota_is_told(client: RunPod) -> None:
    made = client.create(spec(), "r1")
    with pytest.raises(QuotaFull):
        client.set_capacity(made.id, 0, 9)


# Asking it


@pytest.mark.parametrize("way", list(Way))
def test_a_probe_gets_an_answer_from_a_cold_endpoint(client: RunPod, way: Way) -> None:
    made = client.create(spec(), "r1")
    answer = client.within(30).probe(made.id, question(way=way))
    assert answer.ok and answer.text == "2 + 3 = 5" and answer.model == MODEL
    assert not answer.cut
    if way is Way.QUEUE:
        assert answer.job is not None and answer.job.status == "COMPLETED"
        assert answer.job.delay is not None and answer.job.delay > 0


def test_a_probe_says_its_limits(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(), "r1")
    client.within(30).probe(made.id, question(execution_timeout=7, time_to_live=900, max_tokens=3))
    (job,) = emulator.jobs
    assert (job.limit, job.life) == (7, 900)
    assert job.given["openai_input"]["max_tokens"] == 3


@pytest.mark.parametrize("way", list(Way))
def test_a_model_that_it_does_not_serve_is_told(client: RunPod, way: Way) -> None:
    made = client.create(spec(), "r1")
    with pytest.raises(UnknownModel, match="does not exist"):
        client.within(30).probe(made.id, question(model="another", way=way))


def test_a_dead_engine_is_an_answer_with_an_error(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("engine_dead")
    made = client.create(spec(), "r1")
    answer = client.within(30).probe(made.id, question())
    assert not answer.ok and "vLLM is not running" in answer.error


def test_a_probe_without_an_answer_is_cancelled(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    made = client.create(spec(), "r1")
    answer = client.within(2).probe(made.id, question())
    assert not answer.ok and "cancelled" in answer.error
    assert [job.status for job in emulator.jobs] == ["CANCELLED"]


def test_a_stopped_probe_is_cancelled(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    made = client.create(spec(), "r1")
    with pytest.raises(Stopped):
        client.within(60, lambda: bool(emulator.jobs)).probe(made.id, question())
    assert [job.status for job in emulator.jobs] == ["CANCELLED"]


def test_a_job_whose_time_to_live_passed_is_told(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    made = client.create(spec(), "r1")
    answer = client.within(30).probe(made.id, question(time_to_live=60))
    assert not answer.ok and "does not know the job" in answer.error


# Readiness


def test_a_new_endpoint_sleeps(client: RunPod) -> None:
    made = client.create(spec(), "r1")
    assert client.readiness(made.id, 1000).phase is Phase.ASLEEP


def test_from_cold_to_ready(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("slow_start", seconds=60)
    made = client.create(spec(), "r1")
    thread = in_background(lambda: client.within(30).probe(made.id, question()))
    phase_becomes(client, made.id, Phase.COLD)
    phase_becomes(client, made.id, Phase.READY)
    thread.join(30)


@pytest.mark.parametrize(
    ("fault", "phase"),
    [("no_capacity", Phase.CAPACITY), ("crash_loop", Phase.CRASH_LOOP), ("broken_image", Phase.BROKEN_IMAGE)],
)
def test_each_fault_has_its_phase_and_advice(emulator: Emulator, client: RunPod, fault: str, phase: Phase) -> None:
    emulator.fault(fault)
    made = client.create(spec(), "r1")
    stop = threading.Event()
    thread = in_background(lambda: client.within(60, stop.is_set).probe(made.id, question()))
    seen = phase_becomes(client, made.id, phase, waited=120)
    assert seen.reason and seen.advice
    stop.set()
    thread.join(30)


def test_a_maximum_of_0_is_told(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(), "r1")
    emulator.fault("max_zero")
    seen = client.readiness(made.id, 0)
    assert seen.phase is Phase.STOPPED and seen.hopeless


# Ending it


def test_spending_stops(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("slow_answers", seconds=100_000)
    made = client.create(spec(execution_timeout=600_000), "r1")
    client.set_capacity(made.id, 1, 2)
    stop = threading.Event()
    asking = question(execution_timeout=600_000, time_to_live=600_000)
    thread = in_background(lambda: client.within(60, stop.is_set).probe(made.id, asking))
    (job,) = until(lambda: emulator.jobs, lambda jobs: bool(jobs) and jobs[0].status == "IN_PROGRESS")
    stopping = client.within(20).stop_spending(made.id, (job.id,))
    assert stopping.done and stopping.jobs_left == 0 and stopping.problems == ()
    assert emulator.workers == []
    assert client.get(made.id).spec.max_workers == 0
    stop.set()
    thread.join(30)


def test_what_could_not_be_stopped_is_told(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("slow_answers", seconds=100_000)
    made = client.create(spec(execution_timeout=600_000, min_workers=1), "r1")
    stop = threading.Event()
    asking = question(execution_timeout=600_000, time_to_live=600_000)
    thread = in_background(lambda: client.within(60, stop.is_set).probe(made.id, asking))
    until(lambda: emulator.jobs, lambda jobs: bool(jobs) and jobs[0].status == "IN_PROGRESS")
    stopping = client.within(2).stop_spending(made.id)  # nobody said which job
    assert not stopping.done and stopping.workers_left == 1 and stopping.jobs_left == 1
    stop.set()
    thread.join(30)


def test_spending_stops_though_one_part_fails(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(min_workers=1), "r1")
    until(lambda: client.workers(made.id), lambda seen: seen.ready == 1)
    emulator.fault("server_error", only="POST *purge-queue", times=1000)
    stopping = client.within(6).stop_spending(made.id, ("job_nobody_knows",))
    assert stopping.done and len(stopping.problems) == 1 and "empty the queue" in stopping.problems[0]


def test_no_worker_just_now_is_not_enough(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(), "r1")
    emulator.fault("server_error", only="PATCH *", times=1000)
    stopping = client.within(4).stop_spending(made.id)
    assert stopping.workers_left == 0 and not stopping.done
    assert "change an endpoint's workers" in stopping.problems[0]


def test_a_queue_that_is_not_found_does_not_make_it_gone(emulator: Emulator, client: RunPod) -> None:
    """The job service may not know what RunPod goes on billing."""
    made = client.create(spec(min_workers=1), "r1")
    until(lambda: client.workers(made.id), lambda seen: seen.ready == 1)
    emulator.fault("server_error", plane="data", status=404, times=1000)
    with pytest.raises(AnswerUnreadable):
        client.delete(made.id)
    assert [each.id for each in emulator.endpoints] == [made.id]
    emulator.fault("server_error", only="PATCH *", times=1000)
    stopping = client.within(4).stop_spending(made.id)
    assert not stopping.done and stopping.workers_left == 1


def test_workers_are_forbidden_as_soon_as_that_can_be(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(min_workers=1), "r1")
    emulator.fault("rate_limit", only="PATCH *", retry_after=4)
    assert client.within(12).stop_spending(made.id).done
    assert client.get(made.id).spec.max_workers == 0


def test_a_cancelled_deployment_can_still_stop_spending(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(min_workers=1), "r1")
    assert client.within(10, lambda: True).stop_spending(made.id).done
    assert emulator.workers == []


def test_stopping_what_is_gone_is_done(client: RunPod) -> None:
    assert client.stop_spending("nowhere", ("job",)).done


def test_only_what_is_drained_is_deleted(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    made = client.create(spec(), "r1")
    stop = threading.Event()
    thread = in_background(lambda: client.within(60, stop.is_set).probe(made.id, question()))
    until(lambda: client.health(made.id), lambda seen: seen.in_queue == 1)
    with pytest.raises(NotDrained, match="1 requests wait"):
        client.delete(made.id)
    stop.set()
    thread.join(30)
    client.delete(made.id)
    assert emulator.endpoints == []
    client.delete(made.id)  # gone already is no error


def test_jobs_can_be_thrown_away_with_the_endpoint(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    made = client.create(spec(), "r1")
    thread = in_background(lambda: client.within(20).probe(made.id, question()))
    until(lambda: client.health(made.id), lambda seen: seen.in_queue == 1)
    client.delete(made.id, with_jobs=True)
    assert emulator.endpoints == []
    thread.join(30)


def test_the_queue_is_purged_and_jobs_are_cancelled(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    made = client.create(spec(), "r1")
    threads = [in_background(lambda: client.within(20).probe(made.id, question())) for _ in range(2)]
    until(lambda: client.health(made.id), lambda seen: seen.in_queue == 2)
    client.cancel(made.id, emulator.jobs[0].id)
    client.cancel(made.id, emulator.jobs[0].id)
    assert client.purge(made.id) == 1
    assert client.health(made.id).open == 0
    for thread in threads:
        thread.join(30)


# Logs and money


def test_logs_are_resumed_where_they_ended(client: RunPod) -> None:
    made = client.create(spec(min_workers=1), "r1")
    worker = until(lambda: client.workers(made.id), lambda seen: seen.ready == 1).members[0].id
    first = list(islice(client.logs(made.id, worker), 2))
    assert [line.source for line in first] == ["system", "system"]
    rest = list(islice(client.logs(made.id, worker, first[-1].id), 2))
    assert [line.text for line in rest] == ["Application startup complete.", "Worker ready."]


def test_a_log_ends_by_patience_and_with_its_worker(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(min_workers=1), "r1")
    worker = until(lambda: client.workers(made.id), lambda seen: seen.ready == 1).members[0].id
    assert list(client.within(0.5).logs(made.id, worker))
    lines = client.within(30).logs(made.id, worker)
    assert next(lines).text
    client.stop_spending(made.id)
    assert [line.text for line in lines][-1] == "Worker ready."


def test_the_log_of_nobody_is_gone(client: RunPod) -> None:
    made = client.create(spec(), "r1")
    with pytest.raises(EndpointGone):
        next(client.logs(made.id, "nobody"))


def test_the_price_is_that_of_the_dearest_card_it_may_get(client: RunPod) -> None:
    price = client.price(spec())
    assert price.per_hour == Decimal("0.684")
    assert [card.id for card in price.cards] == ["NVIDIA L4"]
    assert client.price(spec(pools=("AMPERE_24", "ADA_24"), gpu_count=2)).per_hour == Decimal("2.232")
    with pytest.raises(PriceUnknown):
        client.price(spec(pools=("MOON_24",)))


def test_cards_out_of_stock_are_shown_as_such(emulator: Emulator, client: RunPod) -> None:
    emulator.fault("no_capacity")
    assert {card.availability for card in client.price(spec()).cards} == {"NONE"}


def test_allotted_workers_are_summed_up(emulator: Emulator) -> None:
    with client_of(emulator, worker_quota=5) as client:
        client.create(spec(), "r1")
        client.create(spec(), "r2")
        assert client.limits().workers_allotted == 4
        assert client.limits().workers_left == 1


def test_what_was_spent_is_told(emulator: Emulator, client: RunPod) -> None:
    made = client.create(spec(), "r1")
    client.within(30).probe(made.id, question())
    now = datetime.now(UTC)
    spent = client.spend(made.id, now - timedelta(hours=1), now + timedelta(hours=2))
    assert 0 < spent.total <= Decimal(str(emulator.cost)) + Decimal("0.01")
    assert spent.gpu <= spent.total
    assert spent.since <= now - timedelta(hours=1) and spent.until >= now + timedelta(hours=2)
