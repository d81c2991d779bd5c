"""From the row of an account to its provider: the key is opened here, and goes nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from releases import secrets
from releases.gpu.errors import KeyRefused
from releases.gpu.patience import Stop, never
from releases.gpu.provider import Provider
from releases.gpu.runpod import CONTROL, DATA, RunPod
from releases.gpu.self_hosted import SelfHosted
from releases.models import GpuAccount

PATIENCE = 60.0  # seconds for each call


@contextmanager
def opened(account: GpuAccount, seconds: float = PATIENCE, stop: Stop = never) -> Iterator[Provider]:
    """The provider, each of whose calls takes at most `seconds` and asks `stop` while it waits.

    Raises KeyRefused where the key is missing or can't be opened, AddressUntrusted for an address without TLS.
    """
    if account.provider == GpuAccount.Provider.SELF_HOSTED:
        server = SelfHosted(
            account.name, account.data_url, account.model, key_of(account), plain_http=account.plain_http
        )
        with server:
            yield server.within(seconds, stop)
        return
    runpod = RunPod(
        key_of(account),
        control_url=account.control_url or CONTROL,
        data_url=account.data_url or DATA,
        worker_quota=account.worker_quota,
        plain_http=account.plain_http,
        settle=settings.GPU_SETTLE_SECONDS,
        look_again=settings.GPU_LOOK_SECONDS,
        quiet=settings.GPU_QUIET_SECONDS,
    )
    with runpod:
        yield runpod.within(seconds, stop)


def key_of(account: GpuAccount) -> str:
    """The key in plain; "" for an own server without one. Raises KeyRefused."""
    if not account.has_key:
        if account.provider == GpuAccount.Provider.SELF_HOSTED:
            return ""
        raise KeyRefused(_("%s has no key yet.") % account)
    try:
        return secrets.open_sealed(bytes(account.ciphertext))
    except secrets.SecretUnreadable as problem:
        raise KeyRefused(str(problem)) from problem


def note_problem(account: GpuAccount, said: str = "") -> None:
    """Keep whether the account could be used just now; "": it could."""
    GpuAccount.objects.filter(pk=account.pk).update(checked_at=Now(), problem=said[:500])
