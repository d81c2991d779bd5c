"""The probe process against real services that stop and start."""

import threading
import time
from itertools import pairwise

import pytest
from django.db import connection

from releases.models import Heartbeat, Outage, Probe, ProbeResult
from releases.probes.clock import downtime
from releases.probes.store import LOCK_NUMBER
from tests.engine.probes.conftest import (
    make_deployment,
    make_environment,
    make_probe,
    running_probes,
    until,
)
from tests.engine.probes.service import LocalService, Poller, answers

pytestmark = pytest.mark.usefixtures("committed")


def good(probe: Probe) -> bool:
    return ProbeResult.objects.filter(probe=probe, ok=True).exists()


def outages(probe: Probe, *, ended: bool) -> bool:
    return Outage.objects.filter(probe=probe, ended_at__isnull=not ended).exists()


def keep_down(seconds: float) -> None:
    threading.Event().wait(seconds)  # the length of the outage is what is measured


@pytest.mark.parametrize("how", ["stop", "hang"])
def test_the_downtime_is_what_a_poller_sees(service, how):
    environment = make_environment()
    probe = make_probe(environment, service.url, timeout=0.5)
    deployment = make_deployment(environment)
    told = []
    with running_probes(told.append), Poller(service.url) as poller:
        until(lambda: good(probe))
        service.hang() if how == "hang" else service.stop()
        until(lambda: outages(probe, ended=False))
        keep_down(1.5)
        service.stop()
        service.start()
        until(lambda: outages(probe, ended=True))
        until(lambda: poller.down > 0)
    outage = Outage.objects.get()
    measured = downtime(deployment, outage.ended_at).measured
    assert measured > 1.5
    assert abs(measured - poller.down) < 1.0
    assert told == [deployment.pk, deployment.pk]
    assert outage.deployment == deployment


def test_several_probes_do_not_delay_each_other(service):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    make_deployment(environment)
    with LocalService() as hanging:
        hanging.start()
        hanging.hang()
        make_probe(environment, hanging.url, key="frontend", timeout=30)
        with running_probes():
            until(lambda: ProbeResult.objects.filter(probe=probe).count() >= 4)
    sent = list(ProbeResult.objects.filter(probe=probe).order_by("at").values_list("at", flat=True))
    gaps = [(second - first).total_seconds() for first, second in pairwise(sent)]
    assert max(gaps) < 2


def test_without_a_deployment_it_asks_rarely_and_at_once_when_one_starts(service):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    with running_probes():
        until(lambda: good(probe))
        until(lambda: Heartbeat.objects.filter(detail__probes=1).exists())
        assert ProbeResult.objects.filter(probe=probe).count() == 1
        make_deployment(environment)
        until(lambda: ProbeResult.objects.filter(probe=probe).count() >= 3, seconds=10)


@pytest.mark.parametrize("marked", [True, False])
def test_an_outage_inside_the_marks_is_planned(service, marked):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    deployment = make_deployment(environment)
    with running_probes():
        until(lambda: good(probe))
        if marked:
            type(deployment).objects.update(downtime_opened_at=deployment.started_at)
        service.stop()
        until(lambda: outages(probe, ended=False))
    assert Outage.objects.get().planned is marked


def test_an_outage_without_a_deployment_belongs_to_none(service):
    probe = make_probe(make_environment(), service.url)
    service.stop()
    with running_probes():
        until(lambda: outages(probe, ended=False))
    outage = Outage.objects.get()
    assert (outage.deployment, outage.planned, outage.detail) == (None, False, "refused")


def test_a_restart_goes_on_with_the_open_outage(service):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    make_deployment(environment)
    service.stop()
    with running_probes():
        until(lambda: outages(probe, ended=False))
    started = Outage.objects.get().started_at
    service.start()
    with running_probes():
        until(lambda: outages(probe, ended=True))
    assert Outage.objects.get().started_at == started


def test_an_address_that_may_not_be_asked_is_not_an_outage():
    probe = make_probe(make_environment(), "http://169.254.169.254/")
    with running_probes():
        until(lambda: Heartbeat.objects.filter(detail__unmeasured__has_key=str(probe.pk)).exists())
    assert not Outage.objects.exists()
    assert not ProbeResult.objects.exists()


def test_a_probe_switched_off_or_deleted_is_left_alone(service):
    environment = make_environment()
    off, gone = make_probe(environment, service.url), make_probe(environment, service.url, key="frontend")
    make_deployment(environment)
    with running_probes():
        until(lambda: good(off) and good(gone))
        Probe.objects.filter(pk=off.pk).update(enabled=False)
        gone.delete()
        until(lambda: Heartbeat.objects.filter(detail__probes=0).exists())
        service.stop()
        beat = Heartbeat.objects.get().at
        until(lambda: Heartbeat.objects.get().at > beat)
    assert not Outage.objects.exists()


def test_it_survives_a_lost_database_connection_without_losing_an_outage(service):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    make_deployment(environment)
    with running_probes():
        until(lambda: good(probe))
        service.stop()
        cut_connections()
        until(lambda: outages(probe, ended=False))
        cut_connections()
        service.start()
        until(lambda: outages(probe, ended=True))
    assert Outage.objects.count() == 1


def cut_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory'"
            " AND (classid::bigint << 32) + objid::bigint = %s AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())",
            [LOCK_NUMBER],
        )
        assert cursor.fetchone()[0] == 1


def test_a_second_process_waits_until_the_first_ends(service):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    with running_probes():
        until(lambda: good(probe))
        with running_probes() as second:
            assert not second._leads
            make_deployment(environment)
            until(lambda: ProbeResult.objects.filter(probe=probe).count() > 3)
            assert not second._leads
    with running_probes() as second:
        until(lambda: second._leads)


def test_a_screen_that_cannot_be_told_stops_nothing(service):
    def fail(_deployment):
        raise RuntimeError("the hub is away")

    environment = make_environment()
    probe = make_probe(environment, service.url)
    make_deployment(environment)
    with running_probes(fail):
        until(lambda: good(probe))
        service.stop()
        until(lambda: outages(probe, ended=False))
        service.start()
        until(lambda: outages(probe, ended=True))


def test_the_rhythm_does_not_drift(service):
    environment = make_environment()
    probe = make_probe(environment, service.url)
    make_deployment(environment)
    with running_probes():
        until(lambda: good(probe))
        first, began = ProbeResult.objects.filter(probe=probe).count(), time.monotonic()
        until(lambda: ProbeResult.objects.filter(probe=probe).count() >= first + 4)
        assert 2.5 < time.monotonic() - began < 8  # one kept answer a second
    assert answers(service.url)
