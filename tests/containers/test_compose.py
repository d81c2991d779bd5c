"""The production containers: built, started, looked at, deployed with, broken and healed."""

import json
from contextlib import closing
from functools import partial
from typing import Any

import httpx
import pytest

from demo import drive
from tests.containers.engine import podman
from tests.containers.stack import Stack

OURS = ("web", "worker", "beat", "probes", "demo-host")
ALL = (*OURS, "caddy", "postgres", "redis")
FORGED = "203.0.113.7"  # an address that a visitor claims to have
VERBS = {
    "web": "web", "worker": "worker", "beat": "beat", "probes": "probes",
    "migrate": "migrate", "demo": "demo", "demo-host": "demo-host",
}  # fmt: skip


@pytest.fixture(scope="session")
def driven(site: Stack) -> dict[str, Any]:
    """The demo deployment, driven over HTTPS from outside as its people would; its last state."""
    client = partial(httpx.Client, verify=site.authority(), headers={"X-Forwarded-For": FORGED})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drive.httpx, "Client", client)
        logins = json.loads(site.execute("web", "cat", "/data/demo.json").stdout)["logins"]
        known = {entry["username"]: entry["password"] for entry in logins}
        people = [drive.Person(site.address, name, known[name]) for name in (drive.REQUESTER, drive.APPROVER)]
        said: list[str] = []
        try:
            detail = drive.drive(people[0], people[1], said.append)
        except drive.Stopped as error:
            error.add_note("\n".join(said))
            error.add_note(site.logs())
            raise
    return detail


def test_the_site_answers_over_tls_and_http_2(site: Stack) -> None:
    told = site.curl("/readyz", "--write-out", "\n%{http_version} %{ssl_verify_result}")
    assert json.loads(told.splitlines()[0]) == {"ready": True, "reasons": []}
    assert told.splitlines()[1] == "2 0"


def test_plain_http_is_sent_to_https(site: Stack) -> None:
    answer = httpx.get(f"http://localhost:{site.http}/history/", trust_env=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == "https://localhost/history/"


def test_the_login_page_comes_with_its_style_and_safe_headers(site: Stack) -> None:
    client = httpx.Client(base_url=site.address, verify=site.authority(), trust_env=False, follow_redirects=True)
    page = client.get("/")
    assert page.status_code == 200
    assert page.url.scheme == "https"
    assert "max-age=" in page.headers["strict-transport-security"]
    assert "secure" in page.headers["set-cookie"].lower()
    assert "server" not in page.headers
    style = page.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    sheet = client.get(style)
    assert sheet.status_code == 200
    assert "immutable" in sheet.headers["cache-control"]


@pytest.mark.parametrize("service", VERBS)
def test_a_container_runs_the_command_of_make_up(site: Stack, service: str) -> None:
    found = json.loads(podman("inspect", site.container(service)))[0]
    assert found["Config"]["Cmd"] == ["python", "-m", "cloudwiki", VERBS[service]]
    assert found["Config"]["Entrypoint"] in (None, "", [])


@pytest.mark.parametrize("service", ALL)
def test_a_container_has_no_privileges(site: Stack, service: str) -> None:
    status = site.execute(service, "cat", "/proc/1/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", ALL)
def test_nobody_can_write_to_the_root_file_system(site: Stack, service: str) -> None:
    for folder in ("/", "/etc", "/usr/bin", "/app") if service in OURS else ("/", "/etc", "/usr/bin"):
        done = site.execute(service, "sh", "-c", f"echo x > {folder}/written", user="0")
        assert done.returncode != 0
        assert "Read-only file system" in done.stderr
    assert site.execute(service, "sh", "-c", "echo x > /tmp/written").returncode == 0


def test_secrets_are_in_no_description_argument_or_environment(site: Stack) -> None:
    values = {file.name: file.read_text().split()[-1] for file in site.secrets.iterdir() if file.suffix != ".pub"}
    values["ssh_key"] = (site.secrets / "ssh_key").read_text().splitlines()[1]
    assert len(values) == 8 and all(len(value) > 20 for value in values.values())
    described = json.dumps(site.containers())
    look = ("sh", "-c", "cat /proc/*/cmdline /proc/*/environ")
    shown = {service: site.execute(service, *look).stdout for service in ALL}
    assert all(shown.values())
    for name, value in values.items():
        assert value not in described, name
        assert [service for service, text in shown.items() if value in text] == [], name


def test_each_secret_is_read_by_its_account_alone(site: Stack) -> None:
    for file in site.secrets.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file.name
    assert site.execute("web", "cat", "/run/secrets/secret_key").returncode == 0
    assert site.execute("web", "cat", "/run/secrets/secret_key", user="65534").returncode != 0
    assert site.execute("web", "test", "-e", "/run/secrets/postgres_password").returncode != 0
    assert site.execute("redis", "test", "-e", "/run/secrets/secret_key").returncode != 0


def test_django_finds_nothing_unsafe(site: Stack) -> None:
    done = site.execute("web", "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", ("web", "worker", "beat", "probes", "caddy", "postgres", "redis"))
def test_health_checks_pass(site: Stack, service: str) -> None:
    site.until(partial(is_healthy, site, service), f"{service} to be healthy")


def test_a_health_check_asks_its_own_process(site: Stack) -> None:
    for service, other in (("web", "worker"), ("beat", "web")):
        done = site.execute(service, "python", "/app/deploy/healthcheck.py", other)
        assert done.returncode == 1
        assert "unhealthy" in done.stderr


def test_the_demo_deployment_succeeds(site: Stack, driven: dict[str, Any]) -> None:
    told = drive.report(driven)
    assert told["state"] == "succeeded", site.logs()
    assert told["backups"] >= 1
    assert 0 < told["downtime_measured_s"] < told["duration_s"]


def test_an_address_that_a_visitor_claims_is_not_believed(site: Stack, driven: dict[str, Any]) -> None:
    query = "SELECT DISTINCT address FROM releases_auditevent WHERE address <> ''"
    done = site.execute("postgres", "psql", "-h", "/var/run/postgresql", "-U", "cloudwiki", "-Atc", query)
    addresses = done.stdout.split()
    assert addresses, done.stderr
    assert FORGED not in addresses


def test_the_event_stream_is_not_held_back(site: Stack, driven: dict[str, Any]) -> None:
    address = f"{site.address}/deployments/{driven['id']}/events"
    with closing(logged_in(site)) as client, client.stream("GET", address, timeout=15) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        assert b"\n" in next(answer.iter_raw())  # arrives although the stream is still open


def test_the_site_heals_after_its_database_was_killed(site: Stack, driven: dict[str, Any]) -> None:
    podman("kill", "--signal", "KILL", site.container("postgres"))
    assert not is_healthy(site, "web")
    podman("start", site.container("postgres"))
    for service in ("web", "worker", "beat", "probes"):
        site.until(partial(is_healthy, site, service), f"{service} to heal", 120)
    with closing(logged_in(site)) as client:
        found = client.get(f"/api/deployments/{driven['id']}").json()
    assert found["status"] == "succeeded"


def is_healthy(site: Stack, service: str) -> bool:
    """Whether the health check of the service's container passes now."""
    return site.check_health(service).returncode == 0


def logged_in(site: Stack) -> httpx.Client:
    """A session of the requester."""
    logins = json.loads(site.execute("web", "cat", "/data/demo.json").stdout)["logins"]
    password = next(entry["password"] for entry in logins if entry["username"] == drive.REQUESTER)
    client = httpx.Client(base_url=site.address, verify=site.authority(), trust_env=False, follow_redirects=True)
    page = client.get("/")
    form = {"username": drive.REQUESTER, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    client.post(str(page.url), data=form, headers={"Referer": str(page.url)})
    assert "sessionid" in client.cookies
    return client
