import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.host import slot
from tests.host.apps import samples
from tests.host.machine import Machine
from tests.host.requirements import missing

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.host)
            item.add_marker(pytest.mark.timeout(900))  # the first one builds the image


@pytest.fixture(scope="session", autouse=True)
def host_support() -> None:
    """Clears what earlier runs left; skips, or fails in CI, where no host can run."""
    if reason := missing():
        if os.environ.get("CLOUDWIKI_CI") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    slot.sweep()


@pytest.fixture(scope="module")
def machine(host_support: None) -> Iterator[Machine]:
    """A host of the module's own, on which release 1 of the sample project runs."""
    with Machine(layers=[samples.frontend_layer()], prepare=samples.install_release_1) as host:
        samples.start_release_1(host)
        yield host


@pytest.fixture
def sample_backend(tmp_path: Path) -> Callable[[int], Path]:
    """`sample_backend(version)`: a folder with the Java project at that release."""
    return lambda version: samples.backend_source(version, tmp_path / f"backend-{version}")


@pytest.fixture
def sample_frontend(tmp_path: Path) -> Callable[[int], Path]:
    """`sample_frontend(version)`: a folder with the Next.js project at that release, packages installed."""
    return lambda version: samples.frontend_source(version, tmp_path / f"frontend-{version}")
