"""The daily check of the endpoints that are kept for a rollback."""

from datetime import UTC, date, datetime, timedelta

import pytest

from releases.engine import clock, gpu_daily
from releases.models import EndpointState, GpuAccount, GpuEndpoint

from .fleet import fresh
from .guarded import Guarded, told, touched

pytestmark = pytest.mark.django_db(transaction=True)
NINE = datetime(2026, 9, 1, 0, 0, tzinfo=UTC)  # in Seoul
MINUTE = timedelta(minutes=1)


def looked(guarded: Guarded, row: GpuEndpoint) -> int:
    return guarded.runpod.requests.count(f"GET /v2/serverless/{row.ref}")


def test_it_is_made_once_a_day_from_nine_on(guarded: Guarded) -> None:
    row = guarded.endpoint(EndpointState.RETAINED)
    before = looked(guarded, row)
    gpu_daily.check_due(NINE - MINUTE)
    assert (looked(guarded, row), fresh(guarded.rules).checked_on) == (before, None)
    for minutes in (0, 5, 14 * 60):
        gpu_daily.check_due(NINE + minutes * MINUTE)
    assert (looked(guarded, row), fresh(guarded.rules).checked_on) == (before + 1, date(2026, 9, 1))
    gpu_daily.check_due(NINE + timedelta(days=1, hours=3))  # a missed time is made up for
    assert (looked(guarded, row), fresh(guarded.rules).checked_on) == (before + 2, date(2026, 9, 2))
    assert (fresh(row).problem, touched(guarded.runpod, row)) == ("", [])


def test_a_retained_one_that_the_platform_put_to_zero_is_told(guarded: Guarded) -> None:
    row, active = guarded.endpoint(EndpointState.RETAINED), guarded.endpoint()
    guarded.runpod.skip(8 * 86400)
    gpu_daily.check_due(NINE)
    gpu_daily.check_due(NINE + timedelta(days=1))
    assert "a week without requests: a rollback raises it again by itself" in fresh(row).problem
    assert told(row) == ["capacity"] and guarded.there(row).settings["workers"]["max"] == 0
    assert fresh(active).problem == "", "the watch looks at that one"


def test_one_that_we_stopped_is_as_it_should_be(guarded: Guarded) -> None:
    row = guarded.endpoint(EndpointState.RETAINED, stopped_at=clock.now())
    guarded.runpod.fault("max_zero", target=row.ref)
    gpu_daily.check_due(NINE)
    assert fresh(row).problem == ""


def test_one_that_is_gone_is_told(guarded: Guarded) -> None:
    row = guarded.endpoint(EndpointState.RETAINED)
    guarded.runpod.account.endpoints.pop(row.ref)
    gpu_daily.check_due(NINE)
    assert fresh(row).state == EndpointState.FAILED and "deleted there by hand" in row.problem
    assert told(row) == ["gone"]


def test_one_past_its_time_is_to_be_retired(guarded: Guarded) -> None:
    row = guarded.endpoint(EndpointState.RETAINED, retained_until=NINE - timedelta(days=1))
    other = guarded.endpoint(EndpointState.RETAINED, retained_until=NINE + timedelta(days=1))
    gpu_daily.check_due(NINE)
    guarded.look()
    assert "kept until 2026-08-31. Retire it" in fresh(row).problem and told(row) == ["overdue"]
    assert fresh(other).problem == ""
    GpuEndpoint.objects.filter(pk=row.pk).update(retained_until=NINE + timedelta(days=9))
    gpu_daily.check_due(NINE + timedelta(days=1))
    assert fresh(row).problem == ""


def test_a_provider_that_is_away_is_asked_again_the_same_day(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_daily, "CALL_SECONDS", 0.5)
    row = guarded.endpoint(EndpointState.RETAINED)
    guarded.runpod.fault("max_zero", target=row.ref)
    guarded.runpod.fault("server_error", status=503, times=1000)
    gpu_daily.check_due(NINE)
    assert (fresh(guarded.rules).checked_on, fresh(row).problem) == (None, "")
    assert fresh(guarded.account).problem
    guarded.runpod.clear()
    gpu_daily.check_due(NINE + 5 * MINUTE)
    assert fresh(guarded.rules).checked_on == date(2026, 9, 1) and fresh(row).problem


def test_an_own_server_has_nothing_to_look_at(guarded: Guarded) -> None:
    own = GpuAccount.objects.create(
        project=guarded.world.project, name="own", provider="self_hosted", data_url="http://127.0.0.1:1", model="m"
    )
    row = GpuEndpoint.objects.create(
        environment=guarded.environment, account=own, name="own", ref="own", state=EndpointState.RETAINED
    )
    gpu_daily.check_due(NINE)
    assert fresh(row).problem == "" and fresh(guarded.rules).checked_on == date(2026, 9, 1)
