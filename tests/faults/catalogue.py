"""Every module of faults. Importing this registers all of them."""

from tests.faults import clocks, disks, network, people, reboot, services, streams, workers  # noqa: F401
