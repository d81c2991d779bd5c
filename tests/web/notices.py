"""Rows of announcements and channels for the tests of pages."""

from datetime import timedelta

from django.utils import timezone

from releases.audit import Actor
from releases.engine import announcements, channels
from releases.engine.announcements import Wish
from releases.models import Announcement, Channel, Delivery, Event
from releases.notices import outbox
from releases.notices.shipped import SHIPPED
from tests.factories import World

ADDRESS = "json://user:pass-word-1@192.0.2.1/very-secret-path"


def announced(world: World, kind: str = "maintenance") -> Announcement:
    """An announcement of a person."""
    begin = timezone.now() + timedelta(hours=2)
    words = SHIPPED[kind, "scheduled"]
    wish = Wish("scheduled", words, begin, begin + timedelta(minutes=8), ())
    return announcements.announce(world.environment, kind, wish, Actor(world.requester))


def channel(world: World, name: str = "team", **fields: object) -> Channel:
    """A channel to nowhere."""
    values = {"events": Event.values, "language": "ko", **fields}
    return channels.save(Channel(project=world.project, name=name, **values), Actor(world.requester), ADDRESS, "json")


def failed(made: Channel) -> Delivery:
    """A delivery that was given up."""
    words = {"ko": "제목", "en": "Subject"}
    notice = outbox.put_to(made, "test", words, words)
    Delivery.objects.filter(notice=notice).update(
        state="failed", attempts=9, error="The receiver answered %s.", detail="500"
    )
    return Delivery.objects.get(notice=notice)


def rows(world: World) -> dict[str, int]:
    """One of each, as test_permissions.py names them."""
    made = channel(world)
    return {"notices": announced(world).pk, "channels": made.pk, "deliveries": failed(made).pk}
