"""Named points at which the fault tests break things. Off in production: `hook` is None and nothing happens.

The points on the machine itself are the lines `: point NAME` of wrapper.sh, which a test replaces in the text
that it gives to `StepClient(wrapper=...)`.
"""

from __future__ import annotations

from collections.abc import Callable

hook: Callable[[str], None] | None = None


def fault_point(name: str) -> None:
    """Does nothing, unless a test has set `hook`."""
    if hook is not None:
        hook(name)
