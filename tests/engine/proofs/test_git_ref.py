"""The commit is looked for in a real repository."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from releases.models import Release
from releases.proofs import registry
from releases.proofs.evidence import Evidence
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def world(data_dir: Path) -> World:
    return make_world(approvals_required=0)


@pytest.fixture
def repository(world: World) -> Path:
    folder = Path(world.project.workspace())
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first <b>")
    return folder


def prove(world: World, **release: Any) -> Evidence:
    Release.objects.filter(pk=world.release.pk).update(**release)
    world.release.refresh_from_db()
    return registry.prove({"proof": "git_ref", "parameters": {}}, world.draft())


def test_the_branch_holds_the_commit(world: World, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    found = prove(world, commit=commit[:9])
    assert found.passed, found.note
    values = [line["value"] for line in found.lines]
    assert commit in values and "first <b>" in values and "refs/heads/main" in values
    assert found.note == ""


def test_a_tag_may_hold_it_and_another_check_out_is_told(world: World, repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1.0")
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    found = prove(world, commit=commit, branch="v1.0")
    assert found.passed
    assert found.note != ""


def test_a_commit_that_is_not_there(world: World, repository: Path) -> None:
    found = prove(world, commit="0123456789abcdef0123456789abcdef01234567")
    assert not found.passed
    assert "0123456789abcdef" in found.note


def test_a_branch_without_the_commit(world: World, repository: Path) -> None:
    git(repository, "branch", "old")
    git(repository, "commit", "-q", "--allow-empty", "-m", "second")
    commit = git(repository, "rev-parse", "HEAD")
    assert "old" in prove(world, commit=commit, branch="old").note
    assert not prove(world, commit=commit, branch="nowhere").passed


def test_a_branch_called_like_a_commit_is_not_taken_for_it(world: World, repository: Path) -> None:
    git(repository, "branch", "deadbeef")
    assert not prove(world, commit="deadbeef").passed


@pytest.mark.parametrize(
    ("commit", "branch"),
    [
        ("--output=/tmp/x", "main"),
        ("HEAD", "main"),
        ("a41f9c2", "--upload-pack=x"),
        ("a41f9c2", "*"),
        ("a41f9c2", "a..b"),
    ],
)
def test_hostile_names_never_reach_git(world: World, repository: Path, commit: str, branch: str) -> None:
    found = prove(world, commit=commit, branch=branch)
    assert not found.passed
    assert found.lines == []


def test_without_a_repository_it_says_where_to_clone(world: World) -> None:
    found = prove(world, commit="a41f9c2")
    assert not found.passed
    assert world.project.workspace() in found.note


def test_the_projects_repository_is_fetched(world: World, tmp_path: Path, settings: LazySettings) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q")
    git(origin, "commit", "-q", "--allow-empty", "-m", "first")
    world.project.repository = f"file://{origin}"
    world.project.save()
    commit = git(origin, "rev-parse", "HEAD")
    assert prove(world, commit=commit).passed
    git(origin, "commit", "-q", "--allow-empty", "-m", "second")
    assert prove(world, commit=git(origin, "rev-parse", "HEAD")).passed
    world.project.repository = f"ext::sh -c touch% {tmp_path}/pwned"
    world.project.save()
    assert not prove(world, commit=commit).passed
    assert not (tmp_path / "pwned").exists()
    world.project.repository = f"file://{tmp_path}/gone"
    world.project.save()
    assert not prove(world, commit=commit).passed
