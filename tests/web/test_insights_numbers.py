"""Every number of the insights pages, reckoned a second time in another way: loops over raw rows."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from releases.insights import dora, measures, sets, trends
from releases.insights.durations import Spread
from releases.insights.scope import Scope
from tests.factories import World
from tests.web.insights_past import Past, make_past

SEEDS = (1, 20, 300)
Row = dict[str, Any]


@pytest.fixture(params=SEEDS)
def past(request: pytest.FixtureRequest, world: World) -> Past:
    return make_past(world, request.param)


def raw(sql: str, *values: object) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def everything(environment: int) -> tuple[list[Row], list[Row]]:
    deployments = raw(
        """SELECT d.*, p.downtime_estimate, r.committed_at FROM releases_deployment d
        JOIN releases_plan p ON p.id = d.plan_id JOIN releases_release r ON r.id = d.release_id
        WHERE d.environment_id = %s""",
        environment,
    )
    outages = raw(
        "SELECT o.* FROM releases_outage o JOIN releases_probe p ON p.id = o.probe_id WHERE p.environment_id = %s",
        environment,
    )
    return deployments, outages


def scopes(past: Past) -> Iterator[Scope]:
    for environment in past.environments:
        for days in (7, 30, 90, 365, 1000):
            yield Scope(environment, past.now - timedelta(days=days), past.now)
        yield Scope(environment, past.now - timedelta(days=200, hours=3), past.now - timedelta(days=50), is_gpu=True)


def quantile(values: list[float], fraction: float) -> float | None:
    ranked = sorted(values)
    if not ranked:
        return None
    place = fraction * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def agrees(found: Spread, values: list[float]) -> bool:
    wanted = (quantile(values, 0.5), quantile(values, 0.95), sum(values) if values else None)
    return found.n == len(values) and found[1:] == tuple(
        None if value is None else pytest.approx(value, abs=1e-3) for value in wanted
    )


def seconds(row: Row, start: str = "started_at", end: str = "finished_at") -> float:
    return float((row[end] - row[start]).total_seconds())


class ByHand:
    """One scope, sorted into lists by plain loops."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.all, self.outages = everything(scope.environment.pk)
        new, old = ("gpu_deploy", "gpu_rollback") if scope.is_gpu else ("deploy", "rollback")
        self.started, self.deploys, self.rollbacks = [], [], []
        for row in self.all:
            if row["started_at"] is None or not scope.since <= row["started_at"] < scope.until:
                continue
            if row["kind"] == new:
                self.deploys.append(row)
                self.started.append(row)
            elif row["kind"] == old:
                self.rollbacks.append(row)
                self.started.append(row)
        over = ("succeeded", "failed", "errored", "cancelled")
        self.ended = [row for row in self.deploys if row["status"] in over]
        self.ok = [row for row in self.ended if row["status"] == "succeeded"]
        self.failed = [row for row in self.ended if row["status"] in ("failed", "errored")]
        self.back = [row for row in self.rollbacks if row["status"] == "succeeded"]
        self.old = old

    def undone(self) -> set[int]:
        by_number, found = {row["id"]: row for row in self.all}, set()
        for row in self.all:
            if row["kind"] != self.old or row["status"] != "succeeded" or row["undoes_id"] is None:
                continue
            found.add(row["undoes_id"])
            if row["undoes_first_id"] is not None:
                first = by_number[row["undoes_first_id"]]["started_at"]
                last = by_number[row["undoes_id"]]["started_at"]
                found |= {one["id"] for one in self.all if one["started_at"] and first <= one["started_at"] <= last}
        return found & {row["id"] for row in self.ended}

    def followed(self) -> set[int]:
        watch, found = timedelta(minutes=self.scope.environment.rollback_minutes), set()
        for row in self.ended:
            for outage in self.outages:
                if not outage["planned"] and row["started_at"] <= outage["started_at"] <= row["finished_at"] + watch:
                    found.add(row["id"])
        return found

    def lead(self) -> list[float]:
        known = [row for row in self.ok if row["committed_at"] is not None]
        return [seconds(row, "committed_at") for row in known if seconds(row, "committed_at") >= 0]


def test_the_quantities_of_3_2_1(past: Past) -> None:
    for scope in scopes(past):
        hand, found = ByHand(scope), measures.of(scope)
        counts = (found.started, found.ended, found.succeeded, found.failed, found.running, found.cancelled)
        lists = (hand.started, hand.ended, hand.ok, hand.failed)
        assert counts[:4] == tuple(map(len, lists))
        assert found.running == len(hand.deploys) - len(hand.ended)
        assert found.cancelled == len(hand.ended) - len(hand.ok) - len(hand.failed)
        assert found.failure_rate == (len(hand.failed) / len(hand.ended) if hand.ended else None)
        assert agrees(found.deploy, [seconds(row) for row in hand.ok])
        assert agrees(found.planned, [float(row["downtime_estimate"]) for row in hand.ended])
        assert agrees(found.marked, list(_marked(hand.ended)))
        spoken = [row["downtime_measured"] for row in hand.ended if row["downtime_measured"] is not None]
        assert agrees(found.measured, spoken)
        assert agrees(found.rollback, [seconds(row) for row in hand.back])
        assert {one.user.pk: one.times for one in found.people} == _times(hand.started)
        before = ByHand(scope.before())
        assert agrees(found.deploy_before, [seconds(row) for row in before.ok])


def _marked(rows: list[Row]) -> Iterator[float]:
    for row in rows:
        if row["downtime_opened_at"] is not None:
            yield seconds(
                row, "downtime_opened_at", "downtime_closed_at" if row["downtime_closed_at"] else "finished_at"
            )


def _times(rows: list[Row]) -> dict[int, int]:
    found: dict[int, int] = {}
    for row in rows:
        if row["started_by_id"] is not None:
            found[row["started_by_id"]] = found.get(row["started_by_id"], 0) + 1
    return found


def test_the_four_keys(past: Past) -> None:
    for scope in scopes(past):
        hand, found = ByHand(scope), dora.of(scope)
        days = (scope.until - scope.since).total_seconds() / 86400
        assert found.succeeded == len(hand.ok)
        assert found.frequency == pytest.approx(len(hand.ok) * 7 / days)
        assert agrees(found.lead, hand.lead())
        assert found.lead_unknown == len(hand.ok) - len(hand.lead())
        undone, followed = hand.undone(), hand.followed()
        failed = {row["id"] for row in hand.failed}
        assert (found.undone, found.followed) == (len(undone), len(followed))
        assert found.changes_failed == len(undone | followed | failed)
        assert found.failure_rate == (len(undone | followed | failed) / len(hand.ended) if hand.ended else None)
        began = [row for row in hand.outages if not row["planned"] and scope.since <= row["started_at"] < scope.until]
        over = [row for row in began if row["ended_at"] is not None]
        assert (found.outages, found.still_open) == (len(began), len(began) - len(over))
        assert agrees(found.restore, [seconds(row, "started_at", "ended_at") for row in over])


def test_the_rows_behind_a_number_are_as_many_as_it_says(past: Past) -> None:
    for scope in scopes(past):
        hand = ByHand(scope)
        undone, followed = hand.undone(), hand.followed()
        failed = {row["id"] for row in hand.failed}
        wanted = {
            "started": hand.started,
            "ended": hand.ended,
            "succeeded": hand.ok,
            "failed": hand.failed,
            "rolled_back": hand.back,
            "undone": [row for row in hand.ended if row["id"] in undone],
            "followed": [row for row in hand.ended if row["id"] in followed],
            "changes_failed": [row for row in hand.ended if row["id"] in undone | followed | failed],
            "marked": [row for row in hand.ended if row["downtime_opened_at"]],
            "measured": [row for row in hand.ended if row["downtime_measured"] is not None],
            "by_people": [row for row in hand.started if row["started_by_id"]],
        }
        for name, rows in wanted.items():
            assert set(sets.SETS[name](scope).values_list("pk", flat=True)) == {row["id"] for row in rows}, name


def test_the_weeks_and_months_of_the_charts(past: Past) -> None:
    for scope in scopes(past):
        hand, zone = ByHand(scope), ZoneInfo(scope.environment.zone)
        found = trends.slots(scope)
        lists: dict[datetime, list[Row]] = {slot.begins: [] for slot in found}
        for row in hand.ended:
            day = row["started_at"].astimezone(zone).date()
            first = day.replace(day=1) if trends.by_month(scope) else day - timedelta(days=day.weekday())
            lists[datetime(first.year, first.month, first.day, tzinfo=zone)].append(row)
        assert len(lists) == len(found) >= scope.weeks / 5
        for slot in found:
            rows = lists[slot.begins]
            good = [row for row in rows if row["status"] == "succeeded"]
            assert (slot.succeeded, slot.failed) == (
                len(good),
                sum(row["status"] in ("failed", "errored") for row in rows),
            )
            assert slot.p50 == pytest.approx(quantile([seconds(row) for row in good], 0.5), abs=1e-3)
            assert slot.planned == pytest.approx(quantile([row["downtime_estimate"] for row in rows], 0.5), abs=1e-3)
            assert slot.marked == pytest.approx(quantile(list(_marked(rows)), 0.5), abs=1e-3)
