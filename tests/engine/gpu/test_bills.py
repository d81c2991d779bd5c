"""What the provider bills beside what our looks came to, and endpoints that are not ours."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from releases.audit import THE_SYSTEM
from releases.endpoints import accounts, costs, states, strangers
from releases.engine import clock, gpu_bills
from releases.models import AuditEvent, EndpointState, GpuAccount, GpuBill, GpuEndpoint, GpuSample

from .fleet import fresh
from .guarded import Guarded, actions, told, touched
from .specs import spec

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def began(guarded: Guarded) -> Iterator[datetime]:
    """An hour of some hours ago, at whose beginning the emulator's time stands."""
    at = clock.now().replace(minute=0, second=0, microsecond=0) - 4 * HOUR
    guarded.runpod.account.clock._origin = at - timedelta(seconds=guarded.runpod.account.clock.reading())
    yield at


def old(guarded: Guarded, began: datetime, **changes: object) -> GpuEndpoint:
    """An endpoint that was created in that hour."""
    row = guarded.endpoint(**changes)  # type: ignore[arg-type]
    GpuEndpoint.objects.filter(pk=row.pk).update(created_at=began)
    return row


def work(guarded: Guarded, row: GpuEndpoint) -> Decimal:
    """Some minutes of a worker; what they cost."""
    before = guarded.runpod.account.meter.cost(row.ref)
    guarded.runpod.fault("slow_answers", target=row.ref, seconds=200)
    guarded.ask(row)
    guarded.runpod.skip(300)
    guarded.runpod.clear("slow_answers")
    spent = guarded.runpod.account.meter.cost(row.ref) - before
    assert spent > 0.04
    return Decimal(str(round(spent, 6)))


def to(guarded: Guarded, moment: datetime) -> None:
    """Let the emulator's time come to this moment."""
    emulated = guarded.runpod.account.clock
    guarded.runpod.skip((moment - emulated.date(emulated.reading())).total_seconds())


def due(row: GpuEndpoint) -> None:
    """An hour passes."""
    read = fresh(row).billed_until
    assert read is not None
    GpuEndpoint.objects.filter(pk=row.pk).update(billed_until=read - HOUR)


def near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) < Decimal("0.00001")


def test_bills_are_kept_by_the_hour(guarded: Guarded, began: datetime) -> None:
    row = old(guarded, began)
    first = work(guarded, row)
    to(guarded, began + 2 * HOUR)
    third = work(guarded, row)
    to(guarded, clock.now())
    GpuSample.objects.create(endpoint=row, at=began + timedelta(minutes=5), cost=first)
    gpu_bills.reconcile()
    bills = {bill.hour: (bill.amount, bill.estimate) for bill in row.bills.all()}
    assert near(bills[began][0], first) and near(bills[began][1], first)
    assert near(bills[began + 2 * HOUR][0], third) and bills[began + 2 * HOUR][1] == 0
    assert bills[began + HOUR] == (0, 0)
    assert near(fresh(row).billed, first + third) and row.billed_until is not None
    asked = len(guarded.runpod.requests)
    gpu_bills.reconcile()
    assert len(guarded.runpod.requests) == asked, "nothing is due within the hour"


def test_bills_that_come_late_are_read_again(guarded: Guarded, began: datetime) -> None:
    row = old(guarded, began)
    to(guarded, clock.now() - HOUR)
    gpu_bills.reconcile()
    assert (fresh(row).billed, row.bills.count()) == (0, 0)
    late = work(guarded, row)
    to(guarded, clock.now())
    due(row)
    gpu_bills.reconcile()
    assert near(fresh(row).billed, late)
    due(row)
    gpu_bills.reconcile()
    assert near(fresh(row).billed, late), "it is not counted twice"


def test_an_endpoint_that_sleeps_is_one_request(guarded: Guarded, began: datetime) -> None:
    row = old(guarded, began)
    to(guarded, clock.now())
    gpu_bills.reconcile()
    assert guarded.runpod.requests.count("GET /v2/billing/serverless") == 1
    assert fresh(row).billed_until is not None


def test_a_bill_far_above_our_looks_is_told_once(guarded: Guarded, began: datetime) -> None:
    row, seen = old(guarded, began), old(guarded, began, state=EndpointState.STANDBY)
    spent = {each.pk: work(guarded, each) + work(guarded, each) for each in (row, seen)}
    to(guarded, clock.now())
    at = began + timedelta(minutes=5)
    GpuSample.objects.create(endpoint=row, at=at, cost=Decimal("0.01"))
    GpuSample.objects.create(endpoint=seen, at=at, cost=spent[seen.pk])
    gpu_bills.reconcile()
    due(row)
    gpu_bills.reconcile()
    assert "The bill of a day" in fresh(row).problem and "came to 0.01 USD" in row.problem
    assert (told(row), told(seen), fresh(seen).problem) == (["bill"], [], "")
    GpuSample.objects.create(endpoint=row, at=at, cost=spent[row.pk])
    due(row)
    gpu_bills.reconcile()
    assert fresh(row).problem == "" and actions(row)[-1] == "gpu_endpoint.alarm_over"


def test_what_the_bill_says_beyond_our_looks_counts_for_the_budgets(guarded: Guarded, began: datetime) -> None:
    row = old(guarded, began, cost=Decimal("0.5"))
    for hour, amount, estimate in ((0, "3", "1"), (1, "0.2", "0.4")):
        GpuBill.objects.create(
            endpoint=row, hour=began + hour * HOUR, amount=Decimal(amount), estimate=Decimal(estimate), read_at=began
        )
        GpuSample.objects.create(endpoint=row, at=began + hour * HOUR, cost=Decimal(estimate))
    assert costs.spent(guarded.environment, began) == Decimal("3.4")
    assert costs.spent(guarded.environment, began + HOUR) == Decimal("0.4")
    assert costs.spent_by(fresh(row)) == Decimal("2.5")


def test_retired_ones_are_read_for_some_days(guarded: Guarded, began: datetime) -> None:
    lately, long_ago = old(guarded, began, state=EndpointState.FAILED), old(guarded, began, state=EndpointState.FAILED)
    spent = work(guarded, lately)
    to(guarded, clock.now())
    for row, days in ((lately, 2), (long_ago, 4)):
        states.become(row, EndpointState.RETIRING, THE_SYSTEM)
        states.become(row, EndpointState.RETIRED, THE_SYSTEM, retired_at=clock.now() - timedelta(days=days))
        guarded.runpod.account.endpoints.pop(row.ref)
    gpu_bills.reconcile()
    assert near(fresh(lately).billed, spent) and fresh(long_ago).billed_until is None


def test_a_provider_that_is_away_is_read_the_next_time(
    guarded: Guarded, began: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_bills, "CALL_SECONDS", 0.5)
    row = old(guarded, began)
    spent = work(guarded, row)
    to(guarded, clock.now())
    guarded.runpod.fault("server_error", status=503, times=1000)
    gpu_bills.reconcile()
    assert fresh(row).billed_until is None and fresh(guarded.account).problem
    guarded.runpod.clear()
    gpu_bills.reconcile()
    assert near(fresh(row).billed, spent)


def test_a_long_gap_is_read_in_rounds(guarded: Guarded, began: datetime) -> None:
    row = old(guarded, began - timedelta(hours=100))
    to(guarded, clock.now())
    for _round in range(3):
        before = fresh(row).billed_until
        gpu_bills.reconcile()
        assert before is None or fresh(row).billed_until > before
    assert row.billed_until is not None and row.billed_until > clock.now() - HOUR


def test_old_samples_go(guarded: Guarded) -> None:
    row = guarded.endpoint()
    for days in (39, 41):
        GpuSample.objects.create(endpoint=row, at=clock.now() - timedelta(days=days))
    gpu_bills.reconcile()
    assert [(clock.now() - sample.at).days for sample in row.samples.all()] == [39]


# Strangers


def test_endpoints_that_are_not_ours_are_listed_and_not_touched(guarded: Guarded, began: datetime) -> None:
    ours = guarded.endpoint()
    new = GpuEndpoint.objects.create(environment=guarded.environment, account=guarded.account, name="qwen-r7")
    with accounts.opened(guarded.account) as provider:
        theirs = provider.create(spec(name="other", max_workers=3), "x")
        provider.create(spec(), "r7")
    gpu_bills.reconcile()
    shown = [{"id": theirs.id, "name": "other-x", "workers": 3, "image": spec().image}]
    assert (fresh(guarded.account).strangers, guarded.account.allotted) == (shown, 7)
    event = AuditEvent.objects.get(action="gpu_account.strangers")
    assert event.detail == {"names": ["other-x"], "reason": "other-x"}
    due(ours)
    gpu_bills.reconcile()
    assert AuditEvent.objects.filter(action="gpu_account.strangers").count() == 1
    assert [line for line in guarded.runpod.requests if theirs.id in line] == []
    assert touched(guarded.runpod, ours) == [] and fresh(new).ref == ""


def test_what_another_account_of_the_project_knows_is_ours(guarded: Guarded) -> None:
    guarded.endpoint()
    again = guarded.open_account("the same again", guarded.runpod)
    with accounts.opened(again) as provider:
        assert strangers.note(again, provider) == []
    retired = guarded.endpoint(EndpointState.RETIRED)
    with accounts.opened(again) as provider:
        assert [entry["id"] for entry in strangers.note(again, provider)] == [retired.ref]


def test_an_own_server_has_no_strangers(guarded: Guarded) -> None:
    own = GpuAccount.objects.create(
        project=guarded.world.project, name="own", provider="self_hosted", data_url="http://127.0.0.1:1", model="m"
    )
    with accounts.opened(own) as provider:
        assert strangers.note(own, provider) == []
    assert fresh(own).allotted is None
