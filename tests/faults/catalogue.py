"""Every module of faults. Importing this registers all of them."""

from tests.faults import people, workers  # noqa: F401
