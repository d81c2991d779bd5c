"""`python -m cloudwiki VERB`: the processes of Cloud Wiki, one command each.

`make up` starts them all under one supervisor; the containers of production start one each.
"""

import os
import sys
from collections.abc import Callable

VERBS: dict[str, tuple[str, str]] = {
    "up": ("cloudwiki.supervisor.up:main", "everything, for development and the demo"),
    "services": ("cloudwiki.supervisor.servers_only:main", "PostgreSQL and Valkey alone, until Ctrl-C"),
    "web": ("cloudwiki.processes:web", "the web server"),
    "worker": ("cloudwiki.processes:worker", "a Celery worker: drives deployments"),
    "beat": ("cloudwiki.processes:beat", "the clock that wakes the reconciler"),
    "probes": ("cloudwiki.processes:probes", "the health probes"),
    "migrate": ("cloudwiki.processes:migrate", "make keys and tables; run before the others"),
    "demo-host": ("demo.host:main", "the demo project's host: an SSH server on loopback"),
    "demo-gpu": ("demo.gpu:main", "the demo project's GPU provider: an emulator of RunPod on loopback"),
    "demo": ("cloudwiki.processes:demo", "migrate, then load the demo project"),
}


def main(arguments: list[str]) -> int:
    """Run the verb; returns the exit code (2: no such verb)."""
    if len(arguments) != 1 or arguments[0] not in VERBS:
        lines = [f"  {verb:<9} {about}" for verb, (_, about) in VERBS.items()]
        sys.stderr.write("\n".join(["usage: python -m cloudwiki VERB", "", *lines, ""]))
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloudwiki.settings")
    return _find(VERBS[arguments[0]][0])()


def _find(address: str) -> Callable[[], int]:
    from importlib import import_module

    module, _, name = address.partition(":")
    function: Callable[[], int] = getattr(import_module(module), name)
    return function


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
