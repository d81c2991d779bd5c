"""Every module of faults. Importing this registers all of them."""

from tests.faults import commands, output, people, workers  # noqa: F401
