"""Receivers, channels to them, and a project whose deployments announce themselves."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from cloudwiki.mail import Mail
from releases.audit import Actor
from releases.engine import channels, delivering
from releases.models import Channel, Delivery, Event, Project
from tests.engine.notices.receivers import Mailbox, Webhook

EVERYTHING = [event.value for event in Event if event != Event.TEST]


@pytest.fixture
def webhook(settings: LazySettings) -> Iterator[Webhook]:
    settings.PROBE_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    made = Webhook()
    yield made
    made.release.set()
    made.stop()


@pytest.fixture
def mailbox(settings: LazySettings) -> Iterator[Mailbox]:
    made = Mailbox()
    sender = "Cloud Wiki <wiki@example.com>"
    settings.MAIL = Mail(host="127.0.0.1", port=made.port, sender=sender, site="https://wiki.example.com")
    settings.MAILERS = settings.MAIL.mailers()
    yield made
    made.stop()


@pytest.fixture
def listen() -> Callable[..., Channel]:
    """Adds a channel."""

    def made(project: Project, address: str, **fields: Any) -> Channel:
        values = {"name": f"channel {Channel.objects.count()}", "events": EVERYTHING, "language": "en"} | fields
        return channels.save(Channel(project=project, **values), Actor(), address, "hint")

    return made


def deliver() -> None:
    """Send all that waits, as if each pause were over."""
    for _round in range(100):
        Delivery.objects.filter(state="pending").update(next_at=timezone.now())
        if not delivering.deliver_due():
            return
    raise AssertionError("it never ends")
