"""The open ways to hosts of one round of looks, and its time. A host that is down is tried once a round."""

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from releases import enrolment
from releases.actions.ask import ask
from releases.actions.remote_words import told
from releases.models import Host
from releases.remote.errors import RemoteError
from releases.remote.transport import Transport
from releases.risks.finding import CannotLook, Said, say

SECONDS: Final = 30.0  # for the answer to one question
_told = lazy(told, str)


class Ways:
    """`now` is the moment of the round (database clock), `memory` what checks of a round share."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.memory: dict[str, Any] = {}
        self._open: dict[int, Transport | RemoteError] = {}

    def ask(self, host: Host, text: str) -> str:
        """Run shell text on the host; what it printed. Raises CannotLook."""
        transport = self._way(host)
        try:
            answer = ask(transport, text, seconds=SECONDS)
        except RemoteError as error:
            raise CannotLook(Said(_told(error))) from error
        if answer.exit_code is None:
            raise CannotLook(say(_("%(host)s did not answer within %(n)s seconds."), host=host, n=int(SECONDS)))
        return answer.stdout.decode(errors="replace")

    def close(self) -> None:
        """Close every way."""
        for way in self._open.values():
            if not isinstance(way, RemoteError):
                with suppress(RemoteError, OSError):
                    way.close()
        self._open.clear()

    def _way(self, host: Host) -> Transport:
        if host.pk not in self._open:
            try:
                self._open[host.pk] = enrolment.connect(host)
            except RemoteError as error:
                self._open[host.pk] = error
        found = self._open[host.pk]
        if isinstance(found, RemoteError):
            raise CannotLook(Said(_told(found))) from found
        return found
