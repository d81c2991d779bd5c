"""Reading hosts: what they use of what they have, every few minutes, of those that a person opted in.

One worker at a time reads a host. A reading that fails is kept with its reason and without a number.
"""

import secrets
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases import audit, enrolment
from releases.actions.remote_words import told
from releases.audit import Actor
from releases.database import AWAY
from releases.engine import capacity_keeping, clock, handover, wake
from releases.engine.errors import Conflict
from releases.insights import capacity_commands
from releases.insights.capacity_asking import asked_of, paths_of
from releases.insights.capacity_commands import Command
from releases.insights.capacity_reading import Reading, parse, sections
from releases.models import CapacitySample, Host, HostWatch, User
from releases.remote.errors import RemoteError
from releases.remote.transport import Transport

TASK: Final = "read_host"
INTERVAL: Final = timedelta(minutes=5)
PAUSE: Final = timedelta(seconds=15)  # between two readings of a host
UNSENT: Final = timedelta(seconds=5)  # after which a message that no worker took is sent again
ABANDONED: Final = timedelta(minutes=2)  # after which another worker takes it up
# Since `sh` reads its text from stdin to the end first, no command of it can swallow the rest.
_SHELL: Final = 'exec sh -c "text=\\$(cat); exec </dev/null; eval \\"\\$text\\""'
log = structlog.get_logger(__name__)


def ask(host: Host, user: User, actor: Actor) -> None:
    """Have a worker read the host now. Raises Conflict where it is not opted in, or was read a moment ago."""
    with transaction.atomic():
        watch = HostWatch.objects.select_for_update().filter(host=host, is_on=True).first()
        if watch is None:
            raise Conflict(_("This host is not read: switch the reading on first, and see what it would run there."))
        now = clock.now()
        if watch.asked_at is not None or not _is_given_up(watch, now):
            raise Conflict(_("It is being read at this moment; everybody sees what is found."))
        if CapacitySample.objects.filter(host=host, at__gt=now - PAUSE).exists():
            raise Conflict(_("It was read a moment ago. Wait a few seconds."))
        HostWatch.objects.filter(pk=watch.pk).update(asked_at=now, asked_by=user)
        wake.errand(TASK, host.pk)
        audit.record(actor, "host.read", host)


def order_due() -> None:
    """A message for each host whose next reading is due, and for each that a person asked for and nobody reads."""
    now = clock.now()
    watches = HostWatch.objects.filter(is_on=True)
    for watch in watches.filter(Q(due_at__isnull=True) | Q(due_at__lte=now)):
        mine = HostWatch.objects.filter(pk=watch.pk, due_at=watch.due_at)
        if mine.update(due_at=now + INTERVAL):
            wake.send(TASK, watch.host_id)
    for number in watches.filter(_is_free(now), asked_at__lt=now - UNSENT).values_list("host", flat=True):
        wake.send(TASK, number)


def carry_out(host_id: int) -> None:
    """Read the host and keep what came of it, unless another worker does, or it is opted out by now."""
    now = clock.now()
    mine = HostWatch.objects.filter(host=host_id, is_on=True)
    if mine.filter(_is_free(now)).update(began_at=now) != 1:
        return
    watch = mine.select_related("host__environment", "asked_by").filter(began_at=now).first()
    if watch is None:
        return
    asked = watch.asked_at is not None
    try:
        if not asked and CapacitySample.objects.filter(host=host_id, at__gt=now - PAUSE).exists():
            return  # two messages for one reading
        _read_and_keep(watch)
        HostWatch.objects.filter(pk=watch.pk, asked_at=watch.asked_at).update(asked_at=None, asked_by=None)
    finally:
        HostWatch.objects.filter(pk=watch.pk, began_at=now).update(began_at=None)


def _is_free(now: datetime) -> Q:
    return Q(began_at__isnull=True) | Q(began_at__lt=now - ABANDONED)


def _is_given_up(watch: HostWatch, now: datetime) -> bool:
    return watch.began_at is None or watch.began_at < now - ABANDONED


def _read_and_keep(watch: HostWatch) -> None:
    person = watch.asked_by
    with override(person.language if person else settings.LANGUAGE_CODE):
        try:
            found: Reading | str = _read(watch)
        except AWAY:
            raise
        except RemoteError as error:
            found = told(error)
        except Exception as error:
            # Our own fault must end with a sentence, never as a reading that seems to go on.
            log.exception("reading a host broke", host=watch.host_id)
            found = f"{type(error).__name__}: {error}"
    with suppress(Host.DoesNotExist):  # deleted meanwhile
        capacity_keeping.keep(watch.host, found)


def _read(watch: HostWatch) -> Reading | str:
    """What the host answers, or a sentence why that is nothing. Raises RemoteError."""
    asked = asked_of(watch.host, watch)
    transport = enrolment.connect(watch.host)
    try:
        answer, mark = _answer(transport, asked)
    finally:
        transport.close()
    if isinstance(answer, bytearray):
        found = sections(answer.decode(errors="replace"), mark)
        if found:
            return parse(found, paths_of(watch), by_psql=watch.database != HostWatch.Database.PROCESSES)
        return _("The login works, but no command could be run. Give the login a POSIX shell such as /bin/sh.")
    return answer


def _answer(transport: Transport, asked: list[Command]) -> tuple[bytearray | str, str]:
    """One bounded run of all commands: what they printed, and the mark between their answers."""
    mark, kept = f"cloudwiki-{secrets.token_hex(8)}", bytearray()
    until = time.monotonic() + capacity_commands.SECONDS

    def is_over() -> bool:
        return time.monotonic() > until or len(kept) > capacity_commands.CAP or handover.wanted()

    done = transport.execute(_SHELL, capacity_commands.script(asked, mark).encode(), write=kept.extend, stop=is_over)
    if len(kept) > capacity_commands.CAP:
        return _("The host answered more than 1 MB, which is not read. How many processes run there?"), mark
    if done.exit_code is None:
        sentence = _("The commands did not end within %s seconds. Look at how busy the host is.")
        return sentence % f"{capacity_commands.SECONDS:.0f}", mark
    return kept, mark
