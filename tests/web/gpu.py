"""Rows for the tests of the GPU pages."""

from typing import Any

from django.test import Client

from releases import secrets
from releases.models import GpuAccount, GpuEndpoint, Project
from tests.factories import World

KEY = "rpa_0123456789abcdef-the-key"
STRANGER = {"id": "ep-1", "name": "notebook", "workers": 3, "image": "someone/image:1"}


def browser(world: World) -> Client:
    """The browser of the one who asks for deployments, in English."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


def account(project: Project, **fields: Any) -> GpuAccount:
    """An account at RunPod with a key."""
    given = {"name": "cards", "ciphertext": secrets.seal(KEY), "key_version": 1}
    return GpuAccount.objects.create(project=project, **{**given, **fields})


def endpoint(world: World, of: GpuAccount, number: int = 1, **fields: Any) -> GpuEndpoint:
    """An endpoint of ours, kept in reserve."""
    given = {"ref": f"ref-{number}", "name": f"qwen-r{number}", "state": "retained", "max_workers": 2}
    return GpuEndpoint.objects.create(environment=world.environment, account=of, **{**given, **fields})
