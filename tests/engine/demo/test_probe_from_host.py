"""A localhost URL asked from the host, over a real SSH connection."""

import pytest

from releases.management.commands.run_probes import connect
from releases.models import Environment, Heartbeat, Host, Outage, Probe, ProbeResult
from tests.engine.demo.conftest import load, log_in, running_host
from tests.engine.probes.conftest import committed, flushable, make_deployment, running_probes, until

__all__ = ["committed", "flushable"]


@pytest.fixture
def probe(committed, data_dir) -> Probe:
    load(data_dir)
    probe = Probe.objects.get(service__key="backend", environment__key="production")
    Probe.objects.exclude(pk=probe.pk).delete()
    port = probe.url.split(":")[2]
    Probe.objects.filter(pk=probe.pk).update(host=probe.environment.hosts.get(), url=f"http://localhost:{port}")
    return probe


def test_it_measures_from_the_host_and_a_lost_connection_is_no_outage(probe, data_dir):
    make_deployment(Environment.objects.get(key="production"))
    with running_probes(connect=connect):
        with running_host(data_dir):
            until(lambda: ProbeResult.objects.filter(probe=probe, ok=True).count() > 1)
            transport = log_in(data_dir)
            transport.execute("service stop backend")
            until(lambda: Outage.objects.filter(probe=probe, ended_at=None).exists())
            transport.execute("service start backend")
            until(lambda: Outage.objects.filter(probe=probe).exclude(ended_at=None).exists())
            transport.close()
            before = Outage.objects.count()
        until(lambda: Heartbeat.objects.filter(detail__unmeasured__has_key=str(probe.pk)).exists())
        after = Outage.objects.filter(ended_at=None).count()
        with running_host(data_dir):
            latest = ProbeResult.objects.first().at
            until(lambda: ProbeResult.objects.filter(probe=probe, ok=True, at__gt=latest).exists())
            until(lambda: not Heartbeat.objects.get().detail["unmeasured"])
    assert before == 1
    assert after <= 1  # the service itself ends with its host, which may be seen before the connection is lost
    outage = Outage.objects.order_by("started_at").first()
    assert outage.detail == "refused"
    assert 0.3 < (outage.ended_at - outage.started_at).total_seconds() < 8


def test_a_host_whose_key_changed_is_not_measured(probe, data_dir):
    Host.objects.update(host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0000000000000000000000000000000000000000000")
    with running_host(data_dir), running_probes(connect=connect):
        until(lambda: Heartbeat.objects.filter(detail__unmeasured__has_key=str(probe.pk)).exists())
    assert Heartbeat.objects.get().detail["unmeasured"][str(probe.pk)].startswith("ssh:")
    assert not ProbeResult.objects.exists()
