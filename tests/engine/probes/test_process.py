"""`manage.py run_probes` as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, transaction

from releases.models import Heartbeat, ProbeResult
from tests.engine.probes.conftest import make_deployment, make_environment, make_probe, until

pytestmark = pytest.mark.usefixtures("committed")
MANAGE = Path(__file__).parents[3] / "manage.py"


@contextmanager
def probes_process(**variables: str):
    name = connection.settings_dict["NAME"]
    environment = os.environ | {
        "DATABASE_URL": re.sub(r"/[^/]*$", f"/{name}", os.environ["DATABASE_URL"]),
        "DJANGO_SETTINGS_MODULE": "cloudwiki.settings",
        "CLOUDWIKI_PROBE_ALLOWED_NETWORKS": "127.0.0.0/8",
        **variables,
    }
    process = subprocess.Popen(
        [sys.executable, str(MANAGE), "run_probes"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def leader() -> int | None:
    return Heartbeat.objects.values_list("detail__process", flat=True).first()


def test_it_measures_and_ends_soon_after_sigterm_and_the_standby_takes_over(service):
    environment = make_environment()
    make_probe(environment, service.url)
    make_deployment(environment)
    with probes_process() as first:
        until(lambda: leader() == first.pid and ProbeResult.objects.exists(), 60)
        with probes_process() as second:
            began = time.monotonic()
            first.send_signal(signal.SIGTERM)
            assert first.wait(10) == 0
            assert time.monotonic() - began < 8  # 2 s are promised; the machine of the tests may be busy
            until(lambda: leader() == second.pid, 60)


def test_a_database_that_hangs_does_not_hold_it(service):
    make_probe(make_environment(), service.url)
    with probes_process() as process:
        until(lambda: leader() == process.pid, 60)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE releases_probe, releases_heartbeat IN ACCESS EXCLUSIVE MODE")
            until(is_waited_for)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0


def is_waited_for() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_killed_process_leaves_the_lock(service):
    make_probe(make_environment(), service.url)
    with probes_process() as first:
        until(lambda: leader() == first.pid, 60)
    with probes_process() as second:
        until(lambda: leader() == second.pid, 60)


def test_a_wrong_network_is_named():
    with probes_process(CLOUDWIKI_PROBE_ALLOWED_NETWORKS="10.0.0.0/40") as process:
        _output, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "CLOUDWIKI_PROBE_ALLOWED_NETWORKS" in said
    assert "10.0.0.0/40" in said
