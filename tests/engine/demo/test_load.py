"""Loading the demo."""

import json
import subprocess
from types import SimpleNamespace

from django.core.management import call_command
from django.test import Client

from demo import drive
from demo.machine import read
from releases import models, secrets
from releases.demo.people import PEOPLE, passwords
from releases.models import Artifact, Deployment, Environment, Host, Project, Release, User, Variable
from releases.runbooks import loader
from tests.engine.demo.conftest import running_host

TABLES = (Project, Environment, Host, Release, Artifact, User, Variable, models.Probe, models.RunbookVersion)
TABLES += (
    models.Price,
    models.CostItem,
    models.CostScenario,
    models.TrafficEstimate,
    models.HostWatch,
    models.Component,
)


def counts():
    return {table.__name__: table.objects.count() for table in TABLES}


def test_it_may_be_loaded_twice_and_keeps_what_people_changed(demo_data):
    first, logins = counts(), passwords(demo_data / "demo.json")
    Environment.objects.filter(key="production").update(downtime_budget=300)
    call_command("load_demo", verbosity=0)
    assert counts() == first
    assert passwords(demo_data / "demo.json") == logins
    assert Environment.objects.get(key="production").downtime_budget == 300


def test_it_has_the_seeds_costs_and_reads_its_own_hosts(demo_data):
    assert models.Price.objects.count() == 3
    assert {watch.host.environment.key for watch in models.HostWatch.objects.filter(is_on=True)} == {
        "production",
        "staging",
    }
    marks = models.Component.objects.filter(name="Spring Boot").order_by("host").values_list("value", flat=True)
    assert len(set(marks)) == 2
    assert all(mark.endswith(" run backend") for mark in marks)
    models.HostWatch.objects.update(is_on=False)
    call_command("load_demo", verbosity=0)
    assert not models.HostWatch.objects.filter(is_on=True).exists()


def test_everyone_can_log_in_and_nobody_else_reads_the_passwords(demo_data):
    known = passwords(demo_data / "demo.json")
    assert set(known) == {person.username for person in PEOPLE}
    assert all(User.objects.get(username=name).check_password(word) for name, word in known.items())
    assert (demo_data / "demo.json").stat().st_mode & 0o777 == 0o600
    assert len(set(known.values())) == len(known)


def test_a_lost_password_file_gives_new_passwords(demo_data):
    (demo_data / "demo.json").unlink()
    call_command("load_demo", verbosity=0)
    known = passwords(demo_data / "demo.json")
    assert all(User.objects.get(username=name).check_password(word) for name, word in known.items())


def test_the_host_is_pinned_and_says_that_it_is_simulated(demo_data):
    hosts, machine = Host.objects.all(), read(demo_data)
    assert {host.environment.key for host in hosts} == {"production", "staging"}
    for host in hosts:
        assert (host.host_key, host.port, host.fingerprint) == (machine.host_key, machine.port, machine.fingerprint)
        assert "simulated" in host.name
    shown = subprocess.run(
        ["ssh-keygen", "-lf", demo_data / "demo-host" / "ssh" / "host_key.pub"], capture_output=True, text=True
    )
    assert machine.fingerprint in shown.stdout


def test_the_releases_are_real_commits_with_their_own_artifacts(demo_data):
    workspace = demo_data / "workspace" / "demo"
    for release in Release.objects.filter(gpu=None):
        found = subprocess.run(
            ["git", "-C", workspace, "rev-parse", f"{release.version}^{{commit}}"], capture_output=True, text=True
        )
        assert found.stdout.strip() == release.commit
    jars = Artifact.objects.filter(name="backend").values_list("sha256", flat=True)
    assert len(set(jars)) == Release.objects.filter(gpu=None).count() == 2
    assert "" not in jars


def test_building_again_gives_the_same_bytes(demo_data):
    from releases.actions.artifacts import read as read_artifact

    workspace = demo_data / "workspace" / "demo"
    for command in (["./gradlew", "clean", "build", "-x", "test"], ["./build.sh", "frontend"]):
        subprocess.run(command, cwd=workspace, check=True, capture_output=True)
    for artifact in Artifact.objects.filter(release__version="v1.1.0"):
        assert read_artifact(artifact.release, artifact.path, artifact.is_folder).sha256 == artifact.sha256


def test_no_history_is_invented(demo_data):
    for table in (Deployment, models.Outage, models.ProbeResult, models.Approval, models.Backup, models.Complaint):
        assert not table.objects.exists()
    # What the loader itself did stands under nobody's name.
    done = set(models.AuditEvent.objects.values_list("action", "actor_name"))
    assert done == {(action, "Cloud Wiki") for action in ("channel.create", "wiki.create", "wiki.import")}


def test_the_runbook_has_every_value_it_needs(demo_data):
    production = Environment.objects.get(key="production")
    runbook = loader.load(production.runbook.latest().text)
    given = set(production.variables.values_list("name", flat=True))
    assert {spec.name for spec in runbook.variables if spec.required and spec.default is None} <= given


def test_the_secret_is_sealed(demo_data):
    kept = Variable.objects.filter(is_secret=True)
    assert set(kept.values_list("name", flat=True)) == {"session_key", "runpod_api_key"}
    for secret in kept:
        assert secret.value == ""
        assert len(secrets.open_sealed(bytes(secret.ciphertext))) >= 24


def test_an_endpoint_is_found_again_where_the_emulator_is_now(demo_data):
    account = models.GpuAccount.objects.get()
    production = Environment.objects.get(key="production")
    row = models.GpuEndpoint.objects.create(
        environment=production, account=account, name="a", ref="abc", base_url=f"{account.data_url}/abc/openai/v1"
    )
    models.GpuAccount.objects.update(data_url="http://127.0.0.1:1/v2")
    models.GpuEndpoint.objects.update(base_url="http://127.0.0.1:1/v2/abc/openai/v1")
    call_command("load_demo", verbosity=0)
    row.refresh_from_db()
    assert row.base_url == f"{account.data_url}/abc/openai/v1"


def test_ports_that_were_taken_are_given_up(demo_data):
    import socket

    machine = read(demo_data)
    with socket.create_server((machine.listen, machine.port)):
        call_command("load_demo", verbosity=0)
        assert read(demo_data).port != machine.port
        assert {host.port for host in Host.objects.all()} == {read(demo_data).port}


def test_ports_of_a_running_host_are_kept(demo_data):
    with running_host(demo_data) as (machine, _said):
        call_command("load_demo", verbosity=0)
        assert read(demo_data) == machine


def test_the_description_holds_no_secret(demo_data):
    assert set(json.loads((demo_data / "demo-host.json").read_text())) == {
        "home", "listen", "address", "port", "user", "host_key", "fingerprint", "services", "staging",
    }  # fmt: skip


def test_what_make_demo_drives_is_the_software_not_the_model(demo_data):
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(username=drive.REQUESTER))
    person = SimpleNamespace(get=lambda path: client.get(f"/api{path}").json())
    newest = Release.objects.filter(gpu=None).order_by("-pk").first()
    assert Release.objects.filter(gpu__isnull=False, pk__gt=newest.pk).exists()
    assert drive._release(person)["id"] == newest.pk
