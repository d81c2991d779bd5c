"""The probe commands of the demo's procedure, on its host: they answer which version is live and change nothing."""

import pytest

from releases.actions import brief
from releases.actions.base import Script
from releases.models import Variable
from releases.remote.steps import StepClient
from releases.runbooks.loader import load, seed_text
from releases.runbooks.plan import fill
from tests.engine.demo.conftest import log_in, running_host
from tests.engine.demo.test_host import needs_sshd

SAID = {
    "stop_backend": "backend: active",
    "stop_frontend": "frontend: active",
    "upload_backend": "app.jar",
    "upload_frontend": "v1.0.0",
    "migrate": "meals",
    "start_backend": '"version": "v1.0.0"',
    "start_frontend": "v1.0.0",
}


@pytest.fixture
def probes(demo_data):
    """The compiled probe of each step that has one."""
    rows = Variable.objects.filter(environment__key="production")
    values = {row.name: row.value for row in rows if not row.is_secret}
    values |= {"version": "v1.1.0", "date": "20261125", "migration": "V2__x.sql"}
    steps = fill(load(seed_text("demo")), values, [], {"schema_changed": True})
    return {step.key: step.scripts["probe"] for step in steps if "probe" in step.scripts}


@needs_sshd
def test_each_of_them_works_on_the_demo_host(demo_data, probes):
    assert set(probes) == set(SAID)
    with running_host(demo_data) as (machine, _said):
        transport = log_in(demo_data)
        before = sorted(path.name for path in machine.app.rglob("*"))
        for key, script in probes.items():
            wrapped = Script(script.text, script.parameters)
            answer = brief.run(StepClient(transport), f"look-{key}", wrapped, {}, seconds=30, cap=65536)
            printed = answer.printed.decode()
            assert (answer.status.state, answer.status.exit_code) == ("finished", 0), (key, printed)
            assert SAID[key] in printed, key
        assert sorted(path.name for path in machine.app.rglob("*")) == before
        transport.close()
