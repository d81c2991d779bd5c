"""Every module of faults. Importing this registers all of them."""

from tests.faults import commands, disks, network, output, people, reboot, workers  # noqa: F401
