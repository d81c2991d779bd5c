"""Settings of the tests: the real ones, on a PostgreSQL and a Valkey started for this run alone."""

import os

from scripts import messages
from tests import servers

servers.provide(os.environ)
messages.compile_all()  # what `make up` does before it starts

from cloudwiki.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow hash only slows the tests

# A test is one transaction that rests as long as the test does something else. tests/faults freeze real workers.
DATABASES["default"]["OPTIONS"]["options"] = ""  # noqa: F405
