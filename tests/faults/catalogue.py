"""Every module of faults. Importing this registers all of them."""

from tests.faults import (  # noqa: F401
    clocks,
    commands,
    disks,
    network,
    output,
    people,
    reboot,
    services,
    streams,
    workers,
)
