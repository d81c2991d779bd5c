"""Our own log keeps what a traceback's frames hold to itself."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from cloudwiki.log_format import logging_settings


@pytest.fixture(autouse=True)
def structlog_as_it_was() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.parametrize("json", [True, False], ids=["json", "readable"])
def test_a_traceback_shows_no_variables(json: bool) -> None:
    settings = logging_settings(json=json, colours=False, level="INFO")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    details = dict(settings["formatters"]["structured"])
    handler.setFormatter(details.pop("()")(**details))
    logger = logging.Logger("ours", logging.INFO)
    logger.addHandler(handler)
    fail_with(logger, "rpa_a-secret")
    assert "ZeroDivisionError" in written.getvalue()
    assert "rpa_a-secret" not in written.getvalue()


def fail_with(logger: logging.Logger, secret: str) -> None:
    length = len(secret)
    try:
        length / 0
    except ZeroDivisionError:
        logger.exception("it failed")
