"""Data folders of their own for tests that start servers and supervisors."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def parent() -> Iterator[Path]:
    """A short folder that every account may pass through (tmp_path is neither)."""
    folder = Path(tempfile.mkdtemp(prefix="cwt-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    for link in folder.glob("*/run"):
        if link.is_symlink():
            shutil.rmtree(link.readlink(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(parent: Path) -> Path:
    """A data folder that does not exist yet."""
    return parent / "data"
