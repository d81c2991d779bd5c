"""When a release's commit was made: read from git as the release is recorded or its commit proved, never guessed."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from releases.insights import dora
from releases.models import Release
from releases.proofs.git import committed_at, moment_of
from releases.views.insights_scope import lately
from tests.engine.proofs.test_git_ref import git, prove, repository, world
from tests.factories import World

__all__ = ["repository", "world"]
pytestmark = pytest.mark.django_db
MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def commit_at(folder: Path, moment: str) -> str:
    """A commit with a time of its own; its digest."""
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com"]
    environment = {**os.environ, "GIT_COMMITTER_DATE": moment, "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z"}
    command = ["git", *identity, "commit", "-q", "--allow-empty", "-m", "dated"]
    subprocess.run(command, cwd=folder, check=True, env=environment)
    return git(folder, "rev-parse", "HEAD")


def test_a_new_release_knows_it_at_once(client: Client, world: World, repository: Path) -> None:
    commit = commit_at(repository, "2026-03-04T14:06:07+09:00")
    client.force_login(world.requester)
    values = {"project": world.project.pk, "version": "v3", "commit": commit[:10], "branch": "main"}
    assert client.post(reverse("releases:new_release"), values).status_code == 302
    made = Release.objects.get(version="v3")
    assert made.committed_at == MADE
    edit = reverse("releases:edit_release", args=[made.pk])
    assert client.post(edit, values | {"commit": "0123456"}).status_code == 302
    made.refresh_from_db()
    assert made.committed_at is None  # that commit is not known here


def test_the_proof_keeps_it(world: World, repository: Path) -> None:
    commit = commit_at(repository, "2026-03-04T05:06:07Z")
    assert world.release.committed_at is None
    assert prove(world, commit=commit).passed
    world.release.refresh_from_db()
    assert world.release.committed_at == MADE


def test_without_a_repository_it_is_not_known(world: World) -> None:
    assert committed_at(world.release) is None
    row = world.draft()
    now = datetime.now(UTC)
    type(row).objects.filter(pk=row.pk).update(status="succeeded", started_at=now, finished_at=now)
    found = dora.of(lately(world.environment))
    assert (found.lead.n, found.lead.p50, found.lead_unknown) == (0, None, 1)


def test_a_folder_that_is_named_is_asked_too(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    git(folder, "init", "-q")
    world.release.commit = commit_at(folder, "2026-03-04T05:06:07Z")
    world.project.repository = str(folder)
    world.release.project = world.project
    assert committed_at(world.release) == MADE


@pytest.mark.parametrize("commit", ["main", "--all", "", "zzzzzzz", "HEAD~1"])
def test_only_a_digest_is_looked_for(world: World, repository: Path, commit: str) -> None:
    world.release.commit = commit
    assert committed_at(world.release) is None


@pytest.mark.parametrize("text", ["", "yesterday", "9999-12-31T23:59:59-14:00", "2026-13-01T00:00:00Z"])
def test_no_moment_is_none(text: str) -> None:
    assert moment_of(text) is None
