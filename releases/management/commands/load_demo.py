"""`manage.py load_demo`: the demo project and its simulated host. Safe to run again."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from demo import machine
from releases.demo import (
    costs,
    database,
    gpu,
    notices,
    people,
    project,
    public,
    risks,
    shipped,
    wiki,
)

LOGIN_FILE = "demo.json"


class Command(BaseCommand):
    """Makes what is missing and leaves what people changed."""

    help = "Load the demo project."

    def add_arguments(self, parser: CommandParser) -> None:
        """Its one option."""
        parser.add_argument("--past", action="store_true", help="invent 90 days of measurements for the public page")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Load the demo."""
        data = Path(settings.CLOUDWIKI_DATA)
        workspace = Path(settings.WORKSPACE_DIR) / project.SLUG
        databases = database.ensure()
        public_key = Path(f"{settings.SSH_KEY_FILE}.pub").read_text()
        host = machine.install(data, public_key, databases["production"], database.client_programs())
        with transaction.atomic():
            loaded = project.load(host, databases, workspace)
            people.load(loaded, data / LOGIN_FILE)
            shipped.load(loaded, host, workspace)
            public.load(loaded, with_measurements=options["past"])
            gpu.load(loaded, host, project.gpu_runbooks(loaded), data)
            costs.load(loaded, host)
            wiki.load(loaded)
            notices.load(loaded)
            risks.load(loaded)
        self.stdout.write(f"demo project loaded; its simulated host is {host.user}@{host.address}:{host.port}")
