"""Sending what is in the outbox: one worker at a time on a channel, in order, again with growing pauses.

What was refused a few times holds up the others no longer: they go by while it waits for its next attempt.

A delivery is claimed by a guarded update, so that no two workers send it at once. A worker that dies after the receiver
took the message and before it could say so leaves it to be sent again when its claim is over: at least once.
"""

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urljoin

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from releases import audit, secrets
from releases.audit import Actor
from releases.database import AWAY
from releases.engine import clock
from releases.engine.errors import Conflict
from releases.models import Channel, Delivery
from releases.notices import ways
from releases.notices.ways import Message, NotSent

CLAIM: Final = timedelta(minutes=5)  # longer than any attempt takes
PAUSES: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300, 600, 1200, 2400))
HOLDS: Final = 3  # attempts after which later messages of the channel go by in the pauses; 100 seconds at most
A_TURN: Final = 50  # deliveries of one message of the schedule
log = structlog.get_logger(__name__)


def deliver_due() -> int:
    """Send what is due. Returns how many attempts were made. Safe to run beside itself."""
    tried = 0
    while tried < A_TURN and (heads := _heads(clock.now())):
        taken = 0
        for delivery in heads:
            if _claim(delivery):  # not before: others of these may take long
                _attempt(delivery)
                taken += 1
        tried += taken
        if not taken:
            break
    return tried


def try_again(delivery: Delivery, actor: Actor) -> None:
    """Send a failed one again, once, now. Raises Conflict when it has not failed, or its channel is gone."""
    if delivery.channel.removed_at is not None:
        raise Conflict(_("The channel was removed, and its address with it."))
    failed = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.FAILED)
    with transaction.atomic():
        if not failed.update(state=Delivery.State.PENDING, next_at=clock.now(), claimed_until=None):
            raise Conflict(_("Only a failed delivery can be tried again."))
        audit.record(actor, "delivery.again", delivery.channel, subject=str(delivery.notice))


def _heads(now: datetime) -> list[Delivery]:
    """Of each channel the first that waits, where its time has come and nobody is at any of it."""
    pending = Delivery.objects.filter(state=Delivery.State.PENDING)
    busy = pending.filter(claimed_until__gte=now).values("channel")
    waiting = pending.exclude(channel__in=busy).exclude(attempts__gte=HOLDS, next_at__gt=now)
    first = waiting.order_by("channel_id", "pk").distinct("channel_id").values("pk")
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
    rows = Delivery.objects.filter(free, pk__in=first, next_at__lte=now)
    return list(rows.select_related("notice__announcement__environment__project", "channel").order_by("pk"))


def _claim(delivery: Delivery) -> bool:
    now = clock.now()
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lt=now)
    mine = now + CLAIM
    rows = Delivery.objects.filter(free, pk=delivery.pk, state=Delivery.State.PENDING, next_at__lte=now)
    if rows.update(claimed_until=mine, attempts=F("attempts") + 1) != 1:
        return False
    delivery.claimed_until, delivery.attempts = mine, delivery.attempts + 1
    return True


def _attempt(delivery: Delivery) -> None:
    """Send it once and keep how that went."""
    channel = delivery.channel
    try:
        with override(channel.language):
            _send(channel, _message(delivery))
    except NotSent as error:
        _failed(delivery, error)
    except AWAY:
        raise
    except Exception as error:
        # Our own fault, or the library's; its text may hold an address, so it is told by its kind alone.
        log.error("delivery broke", delivery=delivery.pk, kind=type(error).__name__)
        _failed(delivery, NotSent(gettext_noop("Our own fault: %s."), type(error).__name__))
    else:
        mine = Delivery.objects.filter(pk=delivery.pk, claimed_until=delivery.claimed_until)
        mine.update(state=Delivery.State.SENT, sent_at=clock.now(), claimed_until=None, error="", detail="")


def _send(channel: Channel, message: Message) -> None:
    try:
        address = secrets.open_sealed(bytes(channel.ciphertext))
    except secrets.SecretUnreadable as error:
        raise NotSent(gettext_noop("The stored address can't be opened. Enter it again.")) from error
    if channel.kind == Channel.Kind.EMAIL:
        ways.mail(address.split(), message)
    else:
        ways.chat(address, message)


def _message(delivery: Delivery) -> Message:
    notice, language = delivery.notice, delivery.channel.language
    korean = language == Channel.Language.KO
    return Message(
        subject=notice.subject_ko if korean else notice.subject_en,
        text=notice.text_ko if korean else notice.text_en,
        link=_link(delivery),
        language=language,
        key=delivery.key.hex,
    )


def _link(delivery: Delivery) -> str:
    """Users are shown the public page, the team ours; nothing where nobody said where that is (CLOUDWIKI_URL)."""
    link, announcement = delivery.notice.link, delivery.notice.announcement
    if announcement is not None:
        users = delivery.channel.audience == Channel.Audience.USERS
        place = (
            ("project_announcements", announcement.environment.project.slug) if users else ("notice", announcement.pk)
        )
        link = reverse(f"releases:{place[0]}", args=[place[1]])
    if not link or link.startswith(("http://", "https://")):
        return link
    return urljoin(f"{settings.MAIL.site}/", link) if settings.MAIL.site else ""


def _failed(delivery: Delivery, error: NotSent) -> None:
    kept = {"claimed_until": None, "error": error.text[:300], "detail": error.detail[:300]}
    mine = Delivery.objects.filter(pk=delivery.pk, claimed_until=delivery.claimed_until)
    if delivery.attempts > len(PAUSES):
        mine.update(state=Delivery.State.FAILED, **kept)
    else:
        pause = PAUSES[delivery.attempts - 1]
        mine.update(next_at=clock.now() + pause, **kept)
