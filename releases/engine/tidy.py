"""Removing what ended attempts left on machines, once their logs are stored here and shown to be the same."""

import hashlib
from collections import defaultdict
from datetime import timedelta
from itertools import islice

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from releases import enrolment, lifecycle, secrets
from releases.engine import clock
from releases.engine.machines import REMOTE_FOLDER
from releases.logs import store
from releases.logs.masking import StreamMasker
from releases.models import Attempt, FolderRemoval, Host, Variable
from releases.remote.errors import RemoteError
from releases.remote.local import LocalTransport
from releases.remote.steps import StepClient
from releases.remote.transport import Transport

BATCH = 500  # attempts at one call
log = structlog.get_logger(__name__)


def tidy() -> int:
    """Remove the folders of attempts that ended CLOUDWIKI_ATTEMPT_HOURS ago. Returns how many are gone.

    A machine that can't be reached is left for the next call. A folder whose log is not the stored one stays there
    for good, and a row says so. Safe to be called any number of times at once.
    """
    before = clock.now() - timedelta(hours=settings.ATTEMPT_HOURS)
    due = (
        Attempt.objects.filter(status__in=lifecycle.ATTEMPT_FINISHED, finished_at__lt=before, removal__isnull=True)
        .select_related("host__environment", "step__deployment")
        .order_by("finished_at")
    )
    machines: dict[Host | None, list[Attempt]] = defaultdict(list)
    for attempt in islice(due.iterator(chunk_size=BATCH), BATCH):
        if attempt.host is None and attempt.host_name:
            _note(attempt, "the host is no longer known here")
        else:
            machines[attempt.host].append(attempt)
    return sum(_tidy_machine(host, attempts) for host, attempts in machines.items())


def _tidy_machine(host: Host | None, attempts: list[Attempt]) -> int:
    """One connection for all of a machine's attempts."""
    removed = 0
    try:
        transport: Transport = LocalTransport() if host is None else enrolment.connect(host)
        try:
            client = StepClient(transport, str(settings.ATTEMPTS_DIR) if host is None else REMOTE_FOLDER)
            for attempt in attempts:
                removed += _remove(client, attempt)
        finally:
            transport.close()
    except RemoteError as error:
        log.info("machine left for later", host=str(host or "controller"), error=str(error))
    return removed


def _remove(client: StepClient, attempt: Attempt) -> bool:
    digest = attempt.log_sha256 or _compared(client, attempt)
    if digest and client.remove(attempt.remote_id, digest):
        _note(attempt, "")
        return True
    _note(attempt, "its log there is not the stored one")
    log.warning("attempt folder kept", attempt=attempt.pk, folder=attempt.remote_id)
    return False


def _compared(client: StepClient, attempt: Attempt) -> str:
    """Read the machine's log once more; its digest if it is the stored one when masked, else ""."""
    raw, masked = hashlib.sha256(), hashlib.sha256()
    masker = StreamMasker(_secrets(attempt))

    def hear(data: bytes) -> None:
        raw.update(data)
        masked.update(masker.feed(data))

    client.follow(attempt.remote_id, 0, hear, lambda: False)
    masked.update(masker.flush())
    return raw.hexdigest() if masked.hexdigest() == store.sha256(attempt.pk) else ""


def _secrets(attempt: Attempt) -> list[str]:
    """The secrets of the environment as they are now; with others the log is not found to be the same, and stays."""
    rows = Variable.objects.filter(environment=attempt.step.deployment.environment_id, is_secret=True)
    return [secrets.open_sealed(bytes(row.ciphertext)) for row in rows]


def _note(attempt: Attempt, kept_because: str) -> None:
    try:
        with transaction.atomic():
            FolderRemoval.objects.create(attempt=attempt, kept_because=kept_because)
    except IntegrityError:
        log.debug("somebody else tidied it, too", attempt=attempt.pk)
