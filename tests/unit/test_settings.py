"""Settings: what is missing or wrong is refused by the variable's name, with the mend."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cloudwiki import keys
from cloudwiki.environment import Environment, broker_address

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = keys.make_secrets_key()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that says nothing but where the data is."""
    names = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DEBUG", "CSRF_TRUSTED_ORIGINS")
    for name in [*names, *(name for name in os.environ if name.startswith("CLOUDWIKI_"))]:
        monkeypatch.delenv(name, raising=False)
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("CLOUDWIKI_DATA", str(data))
    return monkeypatch


@pytest.fixture
def production(bare: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """A whole production environment, set; returned so that a test can leave parts out."""
    key_file = tmp_path / "secrets.key"
    key_file.write_bytes(KEY)
    key_file.chmod(0o600)
    variables = {
        "CLOUDWIKI_ENV": "production",
        "SECRET_KEY": "k7" * 40 + "abcdefgh-unique",
        "CLOUDWIKI_SECRETS_KEY_FILE": str(key_file),
        "ALLOWED_HOSTS": "wiki.example.com",
        "DATABASE_URL": "postgres://wiki:p%40ss@db.example.com:5432/wiki",
        "REDIS_URL": "redis://redis.example.com:6379/0",
    }
    for name, value in variables.items():
        bare.setenv(name, value)
    return variables


@pytest.mark.parametrize("by_file", [True, False])
def test_the_token_of_metrics_comes_from_variable_or_file(
    bare: pytest.MonkeyPatch, tmp_path: Path, by_file: bool
) -> None:
    assert load()["METRICS_TOKEN"] == ""
    token = "0123456789abcdef" * 2
    (tmp_path / "token").write_text(f"{token}\n")
    name, value = (
        ("CLOUDWIKI_METRICS_TOKEN_FILE", str(tmp_path / "token")) if by_file else ("CLOUDWIKI_METRICS_TOKEN", token)
    )
    bare.setenv(name, value)
    assert load()["METRICS_TOKEN"] == token
    bare.delenv(name)
    bare.setenv("CLOUDWIKI_METRICS_TOKEN", "too-short")
    with pytest.raises(ImproperlyConfigured, match="CLOUDWIKI_METRICS_TOKEN"):
        load()


def load() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "cloudwiki" / "settings.py"))


def test_development_needs_nothing(bare: pytest.MonkeyPatch) -> None:
    first, second = load(), load()
    data = first["CLOUDWIKI_DATA"]
    assert len(first["SECRET_KEY"]) >= 50
    assert first["SECRET_KEY"] == second["SECRET_KEY"], "people stay logged in over a restart"
    for path in (data / "keys" / "django.key", first["SECRETS_KEY_FILE"]):
        assert path.stat().st_mode & 0o777 == 0o600
    assert first["SECRET_KEY"].encode() not in first["SECRETS_KEY_FILE"].read_bytes()
    assert first["DATABASES"]["default"]["HOST"] == str(data / "run")
    assert first["REDIS_URL"] == f"unix://{data}/run/valkey.sock?db=0"
    assert not (data / "run").exists(), "importing settings starts nothing"


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "CLOUDWIKI_SECRETS_KEY_FILE", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"]
)
def test_production_names_what_is_missing(bare: pytest.MonkeyPatch, production: dict[str, str], name: str) -> None:
    bare.delenv(name)
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} is not set\. Set it to "):
        load()


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("CLOUDWIKI_ENV", "prod", "one of: development, production"),
        ("DEBUG", "maybe", "1 or 0"),
        ("CLOUDWIKI_PORT", "eighty", "a whole number"),
        ("CLOUDWIKI_PORT", "70000", "from 0 to 65535"),
        ("CLOUDWIKI_WORKERS", "0", "from 1 to 256"),
        ("CLOUDWIKI_LOG_LEVEL", "loud", "one of: DEBUG"),
        ("DATABASE_URL", "mysql://db/wiki", "postgres://user:password@host"),
        ("DATABASE_URL", "nonsense", "postgres://user:password@host"),
        ("DATABASE_URL", "postgres://db:port/wiki", "postgres://user:password@host"),
        ("REDIS_URL", "localhost:6379", "redis://host:6379/0"),
        ("SECRET_KEY_FILE", "/nowhere/key", "Mount the secret there"),
        ("CLOUDWIKI_FAULT_POINTS", "ja", "1 or 0"),
    ],
)
def test_a_wrong_value_is_named_with_its_mend(bare: pytest.MonkeyPatch, name: str, value: str, mend: str) -> None:
    bare.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        load()
    assert str(refusal.value).startswith(name)
    assert mend in str(refusal.value)


def test_production_refuses_debug(bare: pytest.MonkeyPatch, production: dict[str, str]) -> None:
    bare.setenv("DEBUG", "1")
    with pytest.raises(ImproperlyConfigured, match="Set DEBUG=0"):
        load()


@pytest.mark.parametrize("text", [b"", b"short", b"c2hvcnQ=", b"!" * 44])
def test_a_key_file_that_holds_no_key_is_refused(production: dict[str, str], text: bytes) -> None:
    Path(production["CLOUDWIKI_SECRETS_KEY_FILE"]).write_bytes(text)
    with pytest.raises(ImproperlyConfigured, match=r"CLOUDWIKI_SECRETS_KEY_FILE.*openssl rand -base64 32"):
        load()


def test_secrets_come_from_files(bare: pytest.MonkeyPatch, production: dict[str, str], tmp_path: Path) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL"):
        file = tmp_path / name
        file.write_text(production[name] + "\n")
        bare.delenv(name)
        bare.setenv(f"{name}_FILE", str(file))
    loaded = load()
    assert loaded["SECRET_KEY"] == production["SECRET_KEY"]
    assert loaded["DATABASES"]["default"]["PASSWORD"] == "p@ss"


def test_a_transaction_that_rests_is_ended(bare: pytest.MonkeyPatch, production: dict[str, str]) -> None:
    bare.setenv("DATABASE_URL", production["DATABASE_URL"] + "?options=-c%20work_mem%3D8MB")
    options = load()["DATABASES"]["default"]["OPTIONS"]["options"]
    assert options == "-c work_mem=8MB -c idle_in_transaction_session_timeout=8s"


def test_the_broker_is_the_same_server() -> None:
    assert broker_address("redis://host:6379/2") == "redis://host:6379/2"
    assert broker_address("unix:///a%20b/valkey.sock?db=3") == "redis+socket:///a%20b/valkey.sock?virtual_host=3"
    assert broker_address("unix:///a/valkey.sock") == "redis+socket:///a/valkey.sock?virtual_host=0"


def test_a_socket_in_a_database_address_keeps_its_capitals(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("DATABASE_URL", "postgres://me@%2FVar%2FRun:5432/wiki")
    assert Environment().database("DATABASE_URL", "")["HOST"] == "/Var/Run"


def test_an_ssh_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "ssh" / "id_ed25519"
    keys.ensure_ssh_key(path)
    made = path.read_bytes(), path.with_name("id_ed25519.pub").read_bytes()
    keys.ensure_ssh_key(path)
    assert (path.read_bytes(), path.with_name("id_ed25519.pub").read_bytes()) == made
    assert path.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True)
    assert shown.stdout.split()[:2] == made[1].decode().split()[:2]


def manage_check(environment: dict[str, str], data: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "CLOUDWIKI_DATA": str(data)} | environment,
        capture_output=True,
        text=True,
    )


def test_production_passes_the_deployment_check(production: dict[str, str], tmp_path: Path) -> None:
    done = manage_check(production, tmp_path / "data")
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n"), done.stderr


def test_unsafe_settings_fail_the_deployment_check(production: dict[str, str], tmp_path: Path) -> None:
    key_file = Path(production["CLOUDWIKI_SECRETS_KEY_FILE"])
    key_file.chmod(0o644)
    unsafe = production | {"ALLOWED_HOSTS": "*"}
    done = manage_check(unsafe, tmp_path / "data")
    assert done.returncode == 1
    assert "ALLOWED_HOSTS accepts every host name" in done.stderr
    assert f"chmod 600 {key_file}" in done.stderr


def test_fault_points_end_a_production_process_at_its_start(production: dict[str, str], tmp_path: Path) -> None:
    done = manage_check(production | {"CLOUDWIKI_FAULT_POINTS": "1"}, tmp_path / "data")
    assert done.returncode == 1
    assert "CLOUDWIKI_FAULT_POINTS is on in production" in done.stderr


def test_a_forgotten_production_switch_fails_the_deployment_check(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = manage_check({}, tmp_path / "data")
    assert done.returncode == 1
    assert "Set CLOUDWIKI_ENV=production" in done.stderr


def test_the_clock_wakes_tasks_that_exist() -> None:
    from cloudwiki.celery import app

    app.loader.import_default_modules()
    wanted = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert wanted <= set(app.tasks), "beat would send messages that no worker knows"
