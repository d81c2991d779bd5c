"""Settings of the tests: the real ones, on a PostgreSQL and a Valkey started for this run alone."""

import os

from tests import servers

servers.provide(os.environ)

from cloudwiki.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a slow hash only slows the tests
