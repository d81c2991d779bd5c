"""`manage.py drive_demo`: what `make demo` runs, against a running installation."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from demo import drive


class Command(BaseCommand):
    """Prints one JSON object; fails unless the deployment succeeded."""

    help = "Drive the demo deployment from draft to success."
    requires_system_checks = []

    def handle(self, *_arguments: Any, **_options: Any) -> None:
        """Drive it."""
        sys.exit(drive.main())
