"""Boxes proved by looking at the real host and files."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone
from django.utils.translation import override

from releases.engine import proving
from releases.models import Artifact, AuditEvent, Backup, ChecklistItem, Deployment
from releases.proofs import registry
from releases.proofs.evidence import Evidence
from tests.engine.sshd import free_port
from tests.engine.stage import STEP, Stage

WAIT = {**STEP, "action": "wait", "parameters": {"seconds": 0}}


@pytest.fixture
def prove(stage: Stage, settings: LazySettings) -> Callable[..., Evidence]:
    """Run one check as the plan's checklist holds it."""
    settings.SSH_KEY_FILE = stage.server.client_key

    def proved(kind: str, parameters: dict[str, Any] | None = None, **more: Any) -> Evidence:
        deployment = draft(stage, kind, parameters, **more)
        with override("en"):
            return registry.prove(deployment.plan.content["checklist"][0], deployment)

    return proved


def draft(stage: Stage, kind: str, parameters: dict[str, Any] | None = None, **more: Any) -> Deployment:
    item = {"key": "box", "title": {"en": "Box"}, "proof": kind, "parameters": parameters or {}}
    return stage.draft(more.pop("steps", [WAIT]), [item], **more)


def said(found: Evidence) -> str:
    return " ".join(line["value"] for line in found.lines)


def test_artifacts_are_read_anew(stage: Stage, prove: Callable[..., Evidence]) -> None:
    digest = hashlib.sha256(b"jar").hexdigest()
    Artifact.objects.create(release=stage.world.release, name="backend", path="app.jar", sha256=digest)
    missing = prove("artifacts", {"names": ["backend"]})
    assert not missing.passed and "app.jar" in missing.note
    (stage.workspace / "app.jar").write_bytes(b"jar")
    found = prove("artifacts", {"names": ["backend"]})
    assert found.passed and digest in said(found)
    (stage.workspace / "app.jar").write_bytes(b"bad")
    changed = prove("artifacts", {"names": ["backend"]})
    assert not changed.passed and digest[:12] in changed.note
    assert not prove("artifacts", {"names": ["backend", "none"]}).passed
    assert not prove("artifacts").passed


def test_an_artifact_without_a_record_is_recorded_unless_a_step_makes_it(
    stage: Stage, prove: Callable[..., Evidence]
) -> None:
    row = Artifact.objects.create(release=stage.world.release, name="backend", path="app.jar")
    (stage.workspace / "app.jar").write_bytes(b"jar")
    build = {
        **STEP,
        "runs_on": "controller",
        "action": "shell",
        "parameters": {"command": "x", "produces": ["backend"]},
    }
    assert prove("artifacts", {"names": ["backend"]}, steps=[build]).passed
    row.refresh_from_db()
    assert row.sha256 == ""
    found = prove("artifacts", {"names": ["backend"]})
    row.refresh_from_db()
    assert found.passed and "backend" in found.note
    assert row.sha256 == hashlib.sha256(b"jar").hexdigest()


def test_a_migration_is_there_when_the_schema_changes(stage: Stage, prove: Callable[..., Evidence]) -> None:
    release = stage.world.release
    assert "does not change" in said(prove("migration"))
    release.schema_changed = True
    release.save()
    assert not prove("migration").passed
    release.migration_name, release.migration_sql = "V42.sql", "-- nothing but a comment\n"
    release.save()
    assert not prove("migration").passed
    release.migration_sql = "ALTER TABLE a ADD b int;\nSELECT 1;\n"
    release.save()
    found = prove("migration")
    assert found.passed
    assert hashlib.sha256(release.migration_sql.encode()).hexdigest() in said(found)
    assert "V42.sql" in said(found) and "2, in one transaction" in said(found)


def backup_parameters(stage: Stage) -> dict[str, Any]:
    return {
        "runs_on": "app",
        "max_age_hours": 24,
        "files": [
            {"path": "{app}/app.jar", "link": "app.jar.bak"},
            {"path": "{app}/.next", "link": ".next.bak", "folder": True},
        ],
        "destination": "{app}/backup",
    }


def test_a_missing_backup_is_taken_and_a_young_one_counts(stage: Stage, prove: Callable[..., Evidence]) -> None:
    app = stage.home / "app"
    (app / ".next").mkdir(parents=True)
    (app / ".next" / "a").write_text("12345")
    (app / "app.jar").write_text("jar")
    stage.variable("app", str(app))
    more: dict[str, Any] = {"variables": [{"name": "app", "type": "path"}]}
    first = prove("backup_age", backup_parameters(stage), **more)
    assert first.passed, first.note
    assert "2 backups" in first.note
    rows = Backup.objects.order_by("pk")
    assert [(row.name, row.attempt, row.size) for row in rows] == [("app.jar.bak", None, 3), (".next.bak", None, 5)]
    assert (app / "backup" / "app.jar.bak").read_text() == "jar"
    second = prove("backup_age", backup_parameters(stage), **more)
    assert second.passed and second.note == "" and Backup.objects.count() == 2
    Path(rows[0].location).write_text("cut")
    Path(rows[0].location).unlink()
    assert "1 backup was" in prove("backup_age", backup_parameters(stage), **more).note
    (Path(rows[1].location) / "a").write_text("1")
    assert "1 backup was" in prove("backup_age", backup_parameters(stage), **more).note
    Backup.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "2 backups" in prove("backup_age", backup_parameters(stage), **more).note


def test_before_the_first_deployment_there_may_be_nothing_to_back_up(
    stage: Stage, prove: Callable[..., Evidence]
) -> None:
    stage.variable("app", str(stage.home / "app"))
    more: dict[str, Any] = {"variables": [{"name": "app", "type": "path"}]}
    found = prove("backup_age", backup_parameters(stage), **more)
    assert found.passed and "nothing to back up" in said(found)
    now = timezone.now()
    Deployment.objects.update(status="succeeded", started_at=now, finished_at=now)
    found = prove("backup_age", backup_parameters(stage), **more)
    assert not found.passed and "app.jar" in found.note


def test_no_backup_is_taken_while_files_may_be_replaced(stage: Stage, prove: Callable[..., Evidence]) -> None:
    app = stage.home / "app"
    app.mkdir()
    (app / "app.jar").write_text("jar")
    stage.variable("app", str(app))
    running = stage.draft([WAIT])
    Deployment.objects.filter(pk=running.pk).update(status="running", started_at=timezone.now())
    found = prove("backup_age", backup_parameters(stage), variables=[{"name": "app", "type": "path"}])
    assert not found.passed and not (app / "backup").exists()


def test_the_free_disk_is_compared(prove: Callable[..., Evidence]) -> None:
    assert prove("disk_free", {"runs_on": "app", "path": "/", "gigabytes": 1}).passed
    assert not prove("disk_free", {"runs_on": "controller", "path": "/", "gigabytes": 1_000_000}).passed
    gone = prove("disk_free", {"runs_on": "app", "path": "/no such place", "gigabytes": 1})
    assert not gone.passed and "/no such place" in gone.note


class Up(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"UP")

    def log_message(self, *_arguments: Any) -> None:
        """Nothing on the test's output."""


def test_an_address_is_asked(prove: Callable[..., Evidence]) -> None:
    with HTTPServer(("127.0.0.1", 0), Up) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        for role in ("app", "controller"):
            assert prove("url", {"url": url, "text": "UP", "runs_on": role}).passed
            assert not prove("url", {"url": url, "status": 204, "runs_on": role}).passed
        server.shutdown()
    refused = prove("url", {"url": f"http://127.0.0.1:{free_port()}/", "runs_on": "app"})
    assert not refused.passed and "127.0.0.1" in refused.note


def test_a_command_says_yes_or_no(stage: Stage, prove: Callable[..., Evidence]) -> None:
    stage.variable("odd", "a'; touch pwned; '")
    stage.secret("token", "hunter2-hunter2")
    more = {"variables": [{"name": "odd"}, {"name": "token", "type": "secret"}]}
    command = "printf '[%s]\\n' {odd}; cat {token_file}; echo; printf 'nul \\0\\n'"
    found = prove("command", {"command": command, "runs_on": "app"}, **more)
    assert found.passed, found.note
    assert "[a'; touch pwned; ']" in said(found)
    assert "hunter2" not in said(found) and "••••••" in said(found)
    assert not list(stage.home.rglob("pwned"))
    where = prove("command", {"command": "pwd"}, **more)
    assert str(stage.workspace) in said(where)
    assert "exit code 3" in prove("command", {"command": "exit 3", "runs_on": "app"}, **more).note
    assert "sudo asked" in prove("command", {"command": "echo 'sudo: a password is required'; false"}, **more).note
    late = prove("command", {"command": "sleep 60", "runs_on": "app", "timeout": 1}, **more)
    assert not late.passed and "1 s" in late.note


def test_a_host_that_is_down_fails_the_proof_with_the_mend(stage: Stage, prove: Callable[..., Evidence]) -> None:
    stage.server.stop()
    found = prove("disk_free", {"runs_on": "app"})
    assert not found.passed and "Check that the machine is up" in found.note
    stage.server.start()


def test_the_prover_keeps_what_was_found(stage: Stage, settings: LazySettings) -> None:
    settings.SSH_KEY_FILE = stage.server.client_key
    deployment = draft(stage, "disk_free", {"runs_on": "app"})
    item = deployment.checklist.get()
    proving.prove_item(item.pk, stage.world.requester.pk, "192.0.2.9")
    item.refresh_from_db()
    assert (item.proof, item.plan_digest) == ("passed", deployment.plan.digest)
    assert item.ticked_by == stage.world.requester
    assert item.evidence
    assert AuditEvent.objects.get(action="checklist.prove").detail["passed"] is True
    proving.prove_item(0, None, "")


def test_a_check_that_breaks_is_a_failed_proof(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.PROOFS, "migration", "releases.proofs.no_such.prove")
    item = draft(stage, "migration").checklist.get()
    proving.prove_item(item.pk, None, "")
    item.refresh_from_db()
    assert item.proof == ChecklistItem.Proof.FAILED
    assert "no_such" in item.note and item.ticked_at is None


def test_a_plan_that_changed_meanwhile_leaves_the_box_unchecked(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = draft(stage, "migration")
    item = deployment.checklist.get()
    other = draft(stage, "migration", steps=[{**WAIT, "estimate": 9}])

    def changes(entry: object, of: Deployment) -> Evidence:
        Deployment.objects.filter(pk=deployment.pk).update(plan=other.plan)
        return Evidence(True)

    monkeypatch.setattr(registry, "prove", changes)
    proving.prove_item(item.pk, None, "")
    item.refresh_from_db()
    assert (item.proof, item.plan_digest) == (ChecklistItem.Proof.NONE, "")
