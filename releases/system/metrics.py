"""The same figures for Prometheus, computed when it asks: every web process gives the same ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cloudwiki import reach
from releases import lifecycle
from releases.models import Attempt, Deployment
from releases.system import broker, picture

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text() -> bytes:
    """Everything, in Prometheus' text format. What can't be known now is left out, and its `_up` says 0."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Installation())
    return generate_latest(registry)


@dataclass(frozen=True)
class Totals:
    """What is counted over the whole history."""

    deployments: dict[str, int]  # by status
    attempts: dict[str, int]  # by status
    log_bytes: int


def totals() -> Totals:
    """Two questions, whatever there is."""
    deployments = Deployment.objects.order_by().values_list("status").annotate(Count("pk"))
    attempts = Attempt.objects.order_by().values_list("status").annotate(Count("pk"), Sum("log_size"))
    rows = list(attempts)
    return Totals(dict(deployments), {row[0]: row[1] for row in rows}, int(sum(row[2] for row in rows)))


class _Installation(Collector):
    def collect(self) -> Iterator[Metric]:
        began = perf_counter()
        yield from _of_redis(broker.look())
        database = reach.postgresql()
        yield from _answer("postgresql", "PostgreSQL", database)
        if not database.problem:
            try:
                seen, counted = picture.take(), totals()
            except (DatabaseError, InterfaceError):  # it went away between the two
                pass
            else:
                yield from _of_picture(seen)
                yield from _of_history(counted)
        yield _gauge("scrape_seconds", "How long it took to find out all this.", perf_counter() - began)


def _of_redis(found: broker.Broker) -> Iterator[Metric]:
    yield from _answer("redis", "Redis", found.answer)
    if found.waiting is not None and found.taken is not None and found.streams is not None:
        queue = {"waiting": found.waiting, "taken": found.taken}
        yield _by("queue_messages", "Messages to workers: not taken yet, and not done yet.", "state", queue)
        yield _gauge("open_streams", "Event streams of open pages, over all web processes.", found.streams)


def _of_picture(seen: picture.Picture) -> Iterator[Metric]:
    alive = [worker for worker in seen.workers if worker.is_alive]
    workers = {"alive": len(alive), "silent": len(seen.workers) - len(alive)}
    yield _by("workers", "Workers by whether they gave a sign of life in the last 15 s.", "state", workers)
    yield _gauge("worker_processes", "Processes of the workers that are alive.", sum(one.processes for one in alive))
    yield _gauge("leases", "Deployments that a worker drives now.", len(seen.leases))
    zombies = {"deployment": len(seen.undriven), "attempt": len(seen.orphans)}
    yield _by("zombies", "What should be worked on and is not; must be 0.", "kind", zombies)
    person = {status: sum(one.status == status for one in seen.waiting) for status in ("unknown", "waiting")}
    yield _by("attempts_for_a_person", "Attempts that wait for a person, by status.", "status", person)
    if seen.reconcile:
        age = (seen.now - seen.reconcile.at).total_seconds()
        yield _gauge("last_reconcile_age_seconds", "Time since rows were last turned into messages.", age)
        yield _gauge("last_reconcile_sent", "Messages that the last reconciliation sent.", seen.reconcile.sent)


def _of_history(counted: Totals) -> Iterator[Metric]:
    deployments = {status: counted.deployments.get(status, 0) for status in lifecycle.DEPLOYMENT}
    yield _by("deployments", "Deployments by status.", "status", deployments)
    started = CounterMetricFamily("cloudwiki_attempts_started", "Attempts of steps that were started.")
    started.add_metric([], sum(counted.attempts.values()))
    yield started
    ended = CounterMetricFamily("cloudwiki_attempts_ended", "Attempts that ended, by outcome.", labels=["outcome"])
    for status in sorted(lifecycle.ATTEMPT_FINISHED):
        ended.add_metric([status], counted.attempts.get(status, 0))
    yield ended
    stored = CounterMetricFamily("cloudwiki_log_bytes_stored", "Bytes of log that were stored, before compression.")
    stored.add_metric([], counted.log_bytes)
    yield stored


def _answer(name: str, shown: str, answer: reach.Answer) -> Iterator[Metric]:
    yield _gauge(f"{name}_up", f"Whether {shown} answers.", int(not answer.problem))
    if answer.seconds is not None:
        yield _gauge(f"{name}_latency_seconds", f"Round trip to {shown}, measured now.", answer.seconds)


def _gauge(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cloudwiki_{name}", what, value=value)


def _by(name: str, what: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(f"cloudwiki_{name}", what, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
