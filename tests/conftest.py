"""Fixtures and rules for every test."""

import os
import socket
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis
from django.conf import LazySettings
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import settings as property_tests
from pytest_django import DjangoDbBlocker

from tests import databases

property_tests.register_profile("untimed", deadline=None)  # how long an example takes says nothing on a busy machine
property_tests.load_profile("untimed")

IN_CI = os.environ.get("CLOUDWIKI_CI") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: what is not run there is never known to work."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which counts as failed with CLOUDWIKI_CI=1: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that is skipped."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"Skipped, which counts as failed with CLOUDWIKI_CI=1: {_reason(report.longrepr)}"
    return report


def _reason(representation: object) -> str:
    return str(representation[2]) if isinstance(representation, tuple) else str(representation)


@pytest.fixture
def redis_url(settings: LazySettings) -> Iterator[str]:
    """The address of a Valkey database that only this test uses, empty at the start."""
    url: str = settings.REDIS_URL
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        client.flushdb()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def data_dir(settings: LazySettings, tmp_path: Path) -> Path:
    """A data folder of this test alone, with every setting that names a folder below it."""
    settings.CLOUDWIKI_DATA = tmp_path
    settings.ARTIFACTS_DIR = tmp_path / "artifacts"
    settings.WORKSPACE_DIR = tmp_path / "workspace"
    settings.BACKUPS_DIR = tmp_path / "backups"
    settings.BACKUPS_KEY_FILE = tmp_path / "keys" / "backups.age"
    kept = {**settings.STORAGES["backups"], "OPTIONS": {"location": tmp_path / "backups"}}
    settings.STORAGES = {**settings.STORAGES, "backups": kept}
    settings.ATTEMPTS_DIR = tmp_path / "attempts"
    settings.SSH_KEY_FILE = tmp_path / "ssh" / "id_ed25519"
    return tmp_path


@pytest.fixture(autouse=True)
def _an_empty_shelf(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the public pages of another one: states are kept in memory and in files."""
    from releases.public import current, shelf

    place = tmp_path_factory.getbasetemp() / f"public-{uuid.uuid4().hex}"
    monkeypatch.setattr(shelf, "folder", lambda: place)
    current.forget()
    yield
    current.forget()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Parallel workers copy one migrated database."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        with django_db_blocker.unblock():
            databases.use_template()


@pytest.fixture(scope="session", autouse=True)
def _let_tests_empty_history() -> Iterator[None]:
    """History refuses TRUNCATE by trigger; between tests, and only there, the tables must be emptied all the same."""
    empty = DatabaseOperations.execute_sql_flush

    def without_triggers(self: DatabaseOperations, sql_list: list[str]) -> None:
        empty(self, ["SET session_replication_role = replica", *sql_list, "SET session_replication_role = DEFAULT"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", without_triggers)
        yield
