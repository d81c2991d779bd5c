"""The pages around a deployment: they render, check what they are given, and cost the same at any size."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from releases import lifecycle, secrets
from releases.engine import clock
from releases.models import (
    Announcement,
    AuditEvent,
    Backup,
    Deployment,
    Environment,
    EnvironmentLock,
    Host,
    Membership,
    Probe,
    Release,
    RunbookVersion,
    Service,
    Variable,
)
from tests.factories import SIMPLE_RUNBOOK, World

LISTS = ["/", "/history/", "/audit/", "/backups/", "/releases/", "/runbooks/", "/hosts/", "/deployments/"]
SECRET = "s3cret-of-the-database"


@pytest.fixture
def client(world: World) -> Client:
    client = Client(HTTP_HOST="localhost")
    client.force_login(world.requester)
    return client


def grow(world: World, count: int, first: int = 0) -> None:
    """More of everything that lists show."""
    now = clock.now()
    for number in range(first, first + count):
        release = Release.objects.create(project=world.project, version=f"v{number}.0.1", commit="a41f9c2")
        deployment = Deployment.objects.create(
            environment=world.environment,
            release=release,
            plan=world.draft().plan,
            idempotency_key=f"grown-{number}-{count}",
            requested_by=world.requester,
            status=lifecycle.SUCCEEDED,
            started_at=now - timedelta(minutes=number + 5),
            finished_at=now - timedelta(minutes=number),
            downtime_measured=30.0,
            lost_requests=5,
        )
        Backup.objects.create(
            environment=world.environment,
            deployment=deployment,
            release=release,
            kind="files",
            name=f"app-{number}.jar",
            series=f"app-{number}.jar",
            location=f"/app/backup/{number}",
            size=10,
            sha256="a" * 64,
            seconds=1.0,
        )
        service = Service.objects.create(project=world.project, key=f"s{number}", name=f"S{number}", kind="backend")
        Probe.objects.create(environment=world.environment, service=service, url="http://127.0.0.1:1/health")
        Host.objects.create(
            environment=world.environment, name=f"h{number}", role=f"r{number}", address="127.0.0.1", user="deploy"
        )
        Announcement.objects.create(
            environment=world.environment, title_ko="점검", title_en="Maintenance", state="done"
        )


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("path", LISTS)
def test_lists_render_empty_and_full(client: Client, world: World, path: str, language: str) -> None:
    client.cookies["django_language"] = language
    assert client.get(path).status_code == 200
    grow(world, 2)
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", LISTS)
def test_the_number_of_queries_does_not_grow(client: Client, world: World, path: str) -> None:
    grow(world, 2)
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    grow(world, 12, first=2)
    with CaptureQueriesContext(connection) as many:
        assert client.get(path).status_code == 200
    assert len(many) <= len(few), "\n".join(query["sql"][:200] for query in many)


@pytest.mark.parametrize("name", ["release", "environment", "host", "runbook", "new_deployment"])
def test_the_number_of_queries_of_one_row_does_not_grow(client: Client, world: World, name: str) -> None:
    rows: dict[str, Any] = {
        "release": world.release, "environment": world.environment, "host": world.host, "runbook": world.runbook,
    }  # fmt: skip
    path = reverse(f"releases:{name}", args=[rows[name].pk] if name in rows else [])
    grow(world, 2)
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    grow(world, 12, first=2)
    Deployment.objects.update(release=world.release)
    for _more in range(5):
        world.save_runbook(SIMPLE_RUNBOOK)
    with CaptureQueriesContext(connection) as many:
        assert client.get(path).status_code == 200
    assert len(many) <= len(few), "\n".join(query["sql"][:200] for query in many)


class TestReleases:
    """Making a release."""

    def make(self, client: Client, world: World, **changes: object) -> object:
        data = {"project": world.project.pk, "version": "v3.0.0", "commit": "abcdef1", "branch": "main"} | changes
        return client.post("/releases/new", data)

    def test_it_is_made_and_audited(self, client: Client, world: World) -> None:
        answer = self.make(client, world)
        made = Release.objects.get(version="v3.0.0")
        assert answer["Location"] == f"/releases/{made.pk}/"  # type: ignore[index]
        assert AuditEvent.objects.filter(action="release.create", target_id=str(made.pk)).exists()

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"commit": "not-a-commit"}, "commit"),
            ({"version": "../../etc"}, "version"),
            ({"version": "v2.8.0"}, "version"),
            ({"branch": "--upload-pack=x"}, "branch"),
            ({"schema_changed": "on"}, "migration_sql"),
            ({"migration_sql": "drop table x"}, "schema_changed"),
        ],
    )
    def test_bad_input_names_the_field(
        self, client: Client, world: World, changes: dict[str, object], field: str
    ) -> None:
        answer = self.make(client, world, **changes)
        assert answer.status_code == 400  # type: ignore[attr-defined]
        form = answer.context["form"]  # type: ignore[attr-defined]
        assert field in form.errors or "__all__" in form.errors
        assert not Release.objects.filter(version="v3.0.0").exists()

    def test_a_missing_artifact_is_named_with_the_mend(self, client: Client, world: World) -> None:
        client.post(f"/releases/{world.release.pk}/artifacts", {"name": "backend", "path": "build/libs/app.jar"})
        artifact = world.release.artifacts.get()
        answer = client.post(f"/artifacts/{artifact.pk}/record")
        assert answer.status_code == 409
        assert "build/libs/app.jar" in answer.content.decode()
        artifact.refresh_from_db()
        assert artifact.sha256 == ""


class TestRunbooks:
    """Writing a runbook."""

    def save(self, client: Client, world: World, text: str, base: int = 1) -> object:
        return client.post(f"/runbooks/{world.runbook.pk}/edit", {"text": text, "base": base, "note": "n"})

    def test_a_new_version_is_kept_and_compared(self, client: Client, world: World) -> None:
        self.save(client, world, SIMPLE_RUNBOOK.replace("echo one", "echo 1"))
        assert world.runbook.versions.count() == 2
        page = client.get(f"/runbooks/{world.runbook.pk}/").content.decode()
        assert "echo 1" in page
        assert "echo one" in page

    def test_mistakes_are_shown_by_line_and_nothing_is_saved(self, client: Client, world: World) -> None:
        wrong = SIMPLE_RUNBOOK.replace("phase: prepare", "fase: prepare")
        answer = self.save(client, world, wrong)
        assert answer.status_code == 400  # type: ignore[attr-defined]
        line = wrong.splitlines().index("    fase: prepare") + 1
        assert line in {error["line"] for error in answer.context["editor"]["errors"]}  # type: ignore[attr-defined]
        assert world.runbook.versions.count() == 1

    def test_the_editor_asks_while_one_types(self, client: Client, world: World) -> None:
        wrong = SIMPLE_RUNBOOK.replace("echo one", "echo {nobody_knows}")
        found = client.post("/runbooks/validate", {"text": wrong}).json()["errors"]
        assert "nobody_knows" in found[0]["message"]
        assert client.post("/runbooks/validate", {"text": SIMPLE_RUNBOOK}).json() == {"errors": []}

    def test_a_save_over_somebody_elses_version_is_refused(self, client: Client, world: World) -> None:
        self.save(client, world, SIMPLE_RUNBOOK.replace("echo one", "echo 1"))
        answer = self.save(client, world, SIMPLE_RUNBOOK.replace("echo one", "echo 2"))
        assert answer.status_code == 409  # type: ignore[attr-defined]
        assert "echo 2" in answer.content.decode()  # type: ignore[attr-defined]
        assert world.runbook.versions.count() == 2

    def test_a_cycle_is_refused(self, client: Client, world: World) -> None:
        cycle = SIMPLE_RUNBOOK.replace("key: one", "key: one\n    after: [two]")
        assert self.save(client, world, cycle).status_code == 400  # type: ignore[attr-defined]

    def test_the_shipped_procedure_opens_in_the_editor(self, client: Client, world: World) -> None:
        data = {"project": world.project.pk, "key": "wednesday", "name": "수요일", "shipped": "deploy"}
        page = client.post("/runbooks/new", data)
        assert page.context["editor"]["errors"] == []
        assert "sudo systemctl stop spring-boot" in page.content.decode()

    def test_versions_refuse_to_be_changed(self, world: World) -> None:
        with pytest.raises(Exception, match="Cannot update"):
            RunbookVersion.objects.update(text="other")


class TestVariables:
    """Secrets go in and never come out."""

    def set(self, client: Client, world: World, **data: object) -> object:
        return client.post(f"/environments/{world.environment.pk}/variables", {"type": "string"} | data)

    def test_a_secret_is_sealed_and_never_shown(self, client: Client, world: World) -> None:
        self.set(client, world, name="db_password", value=SECRET, is_secret="on")
        variable = Variable.objects.get(name="db_password")
        assert (variable.value, secrets.open_sealed(bytes(variable.ciphertext))) == ("", SECRET)
        page = client.get(f"/environments/{world.environment.pk}/").content.decode()
        assert "db_password" in page
        assert SECRET not in page
        assert SECRET not in json.dumps(list(AuditEvent.objects.values("detail", "target_name")))

    def test_a_refused_secret_is_not_echoed(self, client: Client, world: World) -> None:
        answer = self.set(client, world, name="BAD NAME", value=SECRET, is_secret="on")
        assert answer.status_code == 400  # type: ignore[attr-defined]
        assert SECRET not in answer.content.decode()  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("data", "field"),
        [
            ({"name": "short", "value": "1234567", "is_secret": "on"}, "value"),
            ({"name": "version", "value": "x"}, "name"),
            ({"name": "port", "value": "eighty", "type": "integer"}, "value"),
            ({"name": "folder", "value": "-rf", "type": "path"}, "value"),
            ({"name": "empty", "value": ""}, "value"),
        ],
    )
    def test_bad_input_names_the_field(self, client: Client, world: World, data: dict[str, object], field: str) -> None:
        answer = self.set(client, world, **data)
        assert answer.status_code == 400  # type: ignore[attr-defined]
        assert field in answer.context["variable_form"].errors  # type: ignore[attr-defined]
        assert not Variable.objects.exists()

    def test_a_new_value_counts_up(self, client: Client, world: World) -> None:
        for value in ("one", "two"):
            self.set(client, world, name="db_name", value=value)
        assert Variable.objects.values_list("value", "version").get() == ("two", 2)


class TestEnvironment:
    """Rules, windows, probes, the lock."""

    def test_a_lock_needs_a_reason(self, client: Client, world: World) -> None:
        answer = client.post(f"/environments/{world.environment.pk}/lock", {"hours": "2", "reason": " "})
        assert answer.status_code == 409
        assert not EnvironmentLock.objects.exists()

    def test_a_lock_is_held_and_taken_over_with_a_reason(self, client: Client, world: World) -> None:
        path = f"/environments/{world.environment.pk}"
        client.post(f"{path}/lock", {"hours": "2", "reason": "audit"})
        assert EnvironmentLock.objects.get().holder == world.requester
        other = Client(HTTP_HOST="localhost")
        other.force_login(world.approver)
        assert other.post(f"{path}/unlock", {"reason": ""}).status_code == 409
        assert other.post(f"{path}/unlock", {"reason": "the audit is over"}).status_code == 302
        assert not EnvironmentLock.objects.exists()

    @pytest.mark.parametrize("page", ["environment", "dashboard", "plan"])
    def test_another_persons_lock_is_taken_over_where_it_is_shown(
        self, client: Client, world: World, page: str
    ) -> None:
        draft = world.draft()
        path = f"/environments/{world.environment.pk}"
        paths = {"environment": f"{path}/", "dashboard": "/", "plan": f"/deployments/{draft.pk}/"}
        other = Client(HTTP_HOST="localhost")
        other.force_login(world.approver)
        other.post(f"{path}/lock", {"hours": "2", "reason": "audit"})
        assert f'action="{path}/take-over"' not in other.get(paths[page]).content.decode(), "it is their own"
        seen = EnvironmentLock.objects.get().pk
        shown = client.get(paths[page]).content.decode()
        assert f'action="{path}/take-over"' in shown
        assert f'name="seen" value="{seen}"' in shown
        assert client.post(f"{path}/take-over", {"seen": seen, "reason": ""}).status_code == 409
        assert client.post(f"{path}/take-over", {"seen": "x", "reason": "r"}).status_code == 409
        assert client.post(f"{path}/take-over", {"seen": seen, "reason": "urgent fix"}).status_code == 302
        assert EnvironmentLock.objects.get().holder == world.requester
        assert other.post(f"{path}/take-over", {"seen": seen, "reason": "no, me"}).status_code == 409
        audit = client.get("/audit/").content.decode()
        assert "이서연 → 김민준" in audit
        assert "urgent fix" in audit

    def test_a_viewer_is_offered_no_take_over(self, client: Client, world: World) -> None:
        client.post(f"/environments/{world.environment.pk}/lock", {"hours": "2", "reason": "audit"})
        viewer = Client(HTTP_HOST="localhost")
        viewer.force_login(world.outsider)
        Membership.objects.create(project=world.project, user=world.outsider)
        for path in ("/", f"/environments/{world.environment.pk}/", f"/deployments/{world.draft().pk}/"):
            page = viewer.get(path)
            assert page.status_code == 200
            assert "take-over" not in page.content.decode()

    @pytest.mark.parametrize(
        ("path", "data", "form"),
        [
            ("windows", {"weekday": 3, "opens": "03:00", "closes": "02:00"}, "window_form"),
            ("probes", {"url": "ftp://x", "expected_status": 200, "timeout": 2}, "probe_form"),
        ],
    )
    def test_bad_rows_are_refused(
        self, client: Client, world: World, path: str, data: dict[str, object], form: str
    ) -> None:
        answer = client.post(f"/environments/{world.environment.pk}/{path}", data)
        assert answer.status_code == 400
        assert answer.context[form].errors

    def test_an_unknown_zone_is_refused(self, client: Client, world: World) -> None:
        answer = client.post(f"/environments/{world.environment.pk}/edit", {"name": "x", "zone": "Mars/Base"})
        assert "zone" in answer.context["form"].errors


class TestHistory:
    """Filters and exports."""

    @pytest.fixture(autouse=True)
    def grown(self, world: World) -> None:
        grow(world, 3)

    def test_it_filters_by_outcome_and_release(self, client: Client) -> None:
        assert len(client.get("/history/?status=succeeded").context["page_obj"]) == 3
        assert len(client.get("/history/?status=failed").context["page_obj"]) == 0
        assert len(client.get("/history/?release=v1.0").context["page_obj"]) == 1

    def test_it_filters_by_who_where_and_when(self, client: Client, world: World) -> None:
        newest = Deployment.objects.latest("pk")
        Deployment.objects.filter(pk=newest.pk).update(
            requested_by=world.approver, created_at=clock.now() - timedelta(days=40)
        )
        month_ago = f"{timezone.localdate() - timedelta(days=30)}"
        empty = Environment.objects.create(project=world.project, key="staging", name="스테이징")
        rest = Deployment.objects.count() - 1
        for query, count in {
            f"requested_by={world.approver.pk}": 1,
            f"requested_by={world.requester.pk}": rest,
            f"until={month_ago}": 1,
            f"since={month_ago}": rest,
            f"environment={world.environment.pk}": rest + 1,
            f"environment={empty.pk}": 0,
            "kind=rollback": 0,
        }.items():
            assert client.get(f"/history/?{query}").context["page_obj"].paginator.count == count, query

    def test_csv_and_json_hold_what_the_filter_finds(self, client: Client) -> None:
        text = b"".join(client.get("/history/?status=succeeded&format=csv").streaming_content).decode()  # type: ignore[arg-type]
        assert len(text.strip().splitlines()) == 4
        found = json.loads(b"".join(client.get("/history/?format=json").streaming_content))  # type: ignore[arg-type]
        assert {row["outcome"] for row in found} == {"succeeded", "draft"}

    def test_a_cell_never_becomes_a_formula(self, client: Client, world: World) -> None:
        Deployment.objects.filter(status="succeeded").update(error="=HYPERLINK(1)")
        text = b"".join(client.get("/history/?format=csv").streaming_content).decode()  # type: ignore[arg-type]
        assert ",=HYPERLINK" not in text
        assert "'=HYPERLINK" in text


def test_the_audit_chain_is_verified_on_a_page(client: Client, world: World) -> None:
    world.draft()
    assert client.get("/audit/verify").context["count"] == 0


def test_the_public_page_needs_no_login_and_tells_no_more(world: World) -> None:
    Announcement.objects.create(
        environment=world.environment, title_ko="점검 안내", title_en="Maintenance", state="scheduled"
    )
    page = Client(HTTP_HOST="localhost").get(f"/announcements/{world.project.slug}/").content.decode()
    assert "점검 안내" in page or "Maintenance" in page
    for word in ("prod-1", "127.0.0.1", "김민준", "echo one"):
        assert word not in page


def test_too_many_wrong_passwords_lock_the_name_out(world: World) -> None:
    client = Client(HTTP_HOST="localhost")
    answers = [
        client.post("/login/", {"username": world.requester.username, "password": "wrong"}).status_code
        for _ in range(12)
    ]
    assert answers[0] == 200
    assert answers[-1] in {403, 429}


def test_a_secret_stays_while_a_deployment_is_active(client: Client, world: World) -> None:
    path = f"/environments/{world.environment.pk}/variables"
    client.post(path, {"type": "string", "name": "db_password", "value": SECRET, "is_secret": "on"})
    variable = Variable.objects.get()
    deployment = world.draft()
    Deployment.objects.filter(pk=deployment.pk).update(status=lifecycle.RUNNING, started_at=clock.now())
    data = {"type": "string", "name": "db_password", "value": "another-secret", "is_secret": "on"}
    assert client.post(path, data).status_code == 400
    assert client.post(f"/variables/{variable.pk}/delete").status_code == 409
    assert secrets.open_sealed(bytes(Variable.objects.get().ciphertext)) == SECRET
