"""The store of copies, of either kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from tests.emulators.s3 import S3Server
from tests.engine.backups.kinds import FOLDER, S3


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture(params=[FOLDER, S3])
def store(request: pytest.FixtureRequest, data_dir: Path, settings: LazySettings) -> str:
    """Each test runs with either kind of store."""
    if request.param == S3:
        server: S3Server = request.getfixturevalue("s3")
        bucket = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": server.options}
        settings.STORAGES = {**settings.STORAGES, "backups": bucket}
    kind: str = request.param
    return kind
