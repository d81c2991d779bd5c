"""The real settings with two event streams of the tests added to the addresses."""

from cloudwiki.settings import *  # noqa: F403

ROOT_URLCONF = "tests.platform.stream_urls"
