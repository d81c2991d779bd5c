"""deploy/init-secrets.sh: the files, their owners, and what it refuses."""

import base64
import os
import subprocess
from pathlib import Path

import pytest

from tests.containers.engine import ROOT

SCRIPT = ROOT / "deploy" / "init-secrets.sh"
OWNERS = {
    "secret_key": 10001, "secrets_key": 10001, "database_url": 10001, "redis_url": 10001, "ssh_key": 10001,
    "ssh_key.pub": 10001, "metrics_token": 10001, "postgres_password": 999, "redis.conf": 999,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("the script gives files to other accounts, so it needs root")


def run(folder: Path, site: str = "wiki.example.com", user: int | None = None) -> subprocess.CompletedProcess[str]:
    places = {"CLOUDWIKI_SECRETS": str(folder / "secrets"), "CLOUDWIKI_ENV_FILE": str(folder / "env")}
    return subprocess.run([SCRIPT, site], env=os.environ | places, capture_output=True, text=True, user=user)


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / "secrets").iterdir()}


def test_each_file_is_private_and_belongs_to_its_reader(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    found = {file.name: file.stat() for file in (tmp_path / "secrets").iterdir()}
    assert {name: stat.st_uid for name, stat in found.items()} == OWNERS
    assert {stat.st_mode & 0o777 for stat in found.values()} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "env").read_text() == "CLOUDWIKI_SITE=wiki.example.com\n"


def test_the_files_fit_together(tmp_path: Path) -> None:
    run(tmp_path)
    found = contents(tmp_path)
    assert found["database_url"] == f"postgres://cloudwiki:{found['postgres_password']}@postgres:5432/cloudwiki\n"
    assert found["redis_url"] == f"redis://:{found['redis.conf'].split()[1]}@redis:6379/0\n"
    assert len(base64.b64decode(found["secrets_key"])) == 32
    assert len(found["secret_key"]) >= 50
    assert len(found["metrics_token"]) >= 32
    assert found["ssh_key.pub"].split()[0] == "ssh-ed25519"


def test_it_tells_the_next_steps_and_no_secret(tmp_path: Path) -> None:
    said = run(tmp_path).stdout
    found = contents(tmp_path)
    assert "createsuperuser" in said
    assert found["ssh_key.pub"].split()[1] in said
    for name in ("secret_key", "secrets_key", "postgres_password"):
        assert found[name].strip() not in said


def test_a_second_run_keeps_everything(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)
    done = run(tmp_path, "other.example.com")
    assert done.returncode == 0
    assert "made" not in done.stdout
    assert contents(tmp_path) == before
    assert "wiki.example.com" in (tmp_path / "env").read_text()


def test_a_missing_public_key_is_made_from_the_private_one(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)["ssh_key.pub"].split()[:2]
    (tmp_path / "secrets" / "ssh_key.pub").unlink()
    assert run(tmp_path).returncode == 0
    assert contents(tmp_path)["ssh_key.pub"].split()[:2] == before


@pytest.mark.parametrize("lost", ["postgres_password", "redis.conf", "ssh_key"])
def test_half_a_pair_is_not_completed(tmp_path: Path, lost: str) -> None:
    run(tmp_path)
    (tmp_path / "secrets" / lost).unlink()
    done = run(tmp_path)
    assert done.returncode == 1
    assert f"not {lost}. Restore it from the backup" in done.stderr
    assert not (tmp_path / "secrets" / lost).exists()


@pytest.mark.parametrize("site", ["", "-x", "a b", "x;reboot", "https://wiki.example.com/"])
def test_what_is_no_host_name_is_refused(tmp_path: Path, site: str) -> None:
    done = run(tmp_path, site)
    assert done.returncode == 1
    assert "host name" in done.stderr
    assert not (tmp_path / "secrets").exists()


def test_it_must_run_as_root(tmp_path: Path) -> None:
    done = run(tmp_path, user=65534)
    assert done.returncode == 1
    assert "run it as root" in done.stderr
