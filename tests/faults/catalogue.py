"""Every module of faults. Importing this registers all of them."""

from tests.faults import disks, network, people, reboot, services, workers  # noqa: F401
