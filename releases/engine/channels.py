"""Channels of a project: added, changed, tried, removed. Addresses go one way: sealed here, opened to send."""

from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from releases import audit, secrets
from releases.audit import Actor
from releases.engine import clock
from releases.engine.errors import Conflict
from releases.models import Channel, Delivery, Event
from releases.models.choices import in_each_language
from releases.notices import outbox

KEPT: Final = ("name", "language", "audience", "events", "enabled")
_SUBJECT: Final = gettext_lazy("Test message of %(project)s")
_TEXT: Final = gettext_lazy("The channel *%(channel)s* works. Asked for by %(person)s.")


def save(channel: Channel, actor: Actor, address: str, hint: str) -> Channel:
    """Store a channel, new or changed. `address`: "" keeps the one it has; `hint`: what of it may be shown."""
    new = channel.pk is None
    channel.updated_by = actor.user
    if address:
        channel.ciphertext, channel.hint = secrets.seal(address), hint
    with transaction.atomic():
        channel.save()
        if not channel.enabled:
            _give_up(channel, gettext_noop("The channel was switched off."))
        facts = {name: getattr(channel, name) for name in (*KEPT, "kind", "hint")}
        action = "channel.create" if new else "channel.change"
        audit.record(actor, action, channel, **facts, address="new" if address else "")
    return channel


def remove(channel: Channel, actor: Actor) -> None:
    """Forget its address for good; what was sent stays in the log. Raises Conflict when it is gone already."""
    with transaction.atomic():
        rows = Channel.objects.filter(pk=channel.pk, removed_at__isnull=True)
        if not rows.update(removed_at=clock.now(), ciphertext=b"", enabled=False, updated_by=actor.user):
            raise Conflict(_("The channel was removed a moment ago."))
        _give_up(channel, gettext_noop("The channel was removed."))
        audit.record(actor, "channel.remove", channel, hint=channel.hint)


def send_test(channel: Channel, actor: Actor) -> None:
    """Put a test message into the outbox for this channel alone; the delivery log shows what became of it."""
    if channel.removed_at is not None:
        raise Conflict(_("The channel was removed, and its address with it."))
    words: dict[str, Any] = {"project": channel.project, "channel": channel, "person": actor.name}
    subject, text = in_each_language(lambda: str(_SUBJECT) % words), in_each_language(lambda: str(_TEXT) % words)
    with transaction.atomic():
        outbox.put_to(channel, Event.TEST, subject, text)
        audit.record(actor, "channel.test", channel)


def _give_up(channel: Channel, why: str) -> None:
    waiting = Delivery.objects.filter(channel=channel, state=Delivery.State.PENDING)
    waiting.update(state=Delivery.State.FAILED, claimed_until=None, error=why, detail="")
