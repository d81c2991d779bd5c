"""Accounts at providers of graphics cards: whether one can be used, what it holds, what of that is taken over.

A check is a worker's work, of which only the outcome is a row. That one is under way is a hint in the cache.
"""

from typing import Any, Final

from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from releases.actions import gpu_words
from releases.audit import Actor
from releases.endpoints import accounts, adoption, strangers
from releases.engine import wake
from releases.engine.errors import EngineError
from releases.gpu.errors import GpuError
from releases.gpu.nouns import Phase
from releases.gpu.provider import Provider
from releases.models import Environment, GpuAccount, GpuEndpoint

PATIENCE: Final = 30.0  # seconds for each call of a check
LOOK: Final = 15.0  # seconds in which a person waits for one endpoint
UNDER_WAY: Final = 90  # seconds after which a check that was asked for counts as lost


def ask(account: GpuAccount) -> None:
    """Have a worker check it now; while one is at it, nothing more. Raises EngineError where no worker can be told."""
    if not _begins(account.pk):
        return
    if not wake.send("check_gpu_account", account.pk):
        _ended(account.pk)
        raise EngineError(_("No worker can be told to check it: Redis does not answer. Press again in a minute."))


def changed(account: GpuAccount) -> None:
    """After commit, have it checked with its new settings; in a transaction."""

    def tell() -> None:
        _begins(account.pk)
        wake.send("check_gpu_account", account.pk)

    transaction.on_commit(tell)


def is_being_checked(account: GpuAccount) -> bool:
    """A worker was asked a moment ago and has not answered."""
    try:
        return cache.get(_key(account.pk)) is not None
    except (RedisError, OSError):
        return False


def check(account_id: int) -> None:
    """Ask the provider for all that the account holds, and keep what was found."""
    account = GpuAccount.objects.filter(pk=account_id).first()
    if account is None:  # removed meanwhile
        return
    try:
        found = _look(account)
        # What was found of older settings is no news.
        same = GpuAccount.objects.filter(pk=account_id, updated_at=account.updated_at)
        same.update(checked_at=Now(), **found)
    finally:
        _ended(account_id)


def adopt(account: GpuAccount, environment: Environment, ref: str, actor: Actor) -> GpuEndpoint:
    """Take over an endpoint that the last check listed. Raises EngineError."""
    if ref not in {stranger["id"] for stranger in account.strangers}:
        raise EngineError(_("The last check listed no such endpoint. Check the account again."))
    try:
        with accounts.opened(account, LOOK) as provider:
            found = provider.get(ref)
        return adoption.adopt(account, environment, found, actor)
    except GpuError as error:
        raise EngineError(gpu_words.told(error)) from error
    except adoption.NotAdopted as error:
        raise EngineError(str(error)) from error


def _look(account: GpuAccount) -> dict[str, Any]:
    """The columns that come of it; after an error, what was seen before stays."""
    try:
        with accounts.opened(account, PATIENCE) as provider:
            listed = provider.list_all()
            problem = "" if provider.capabilities.create else _not_ready(provider, account.name)
    except GpuError as error:
        return {"problem": gpu_words.told(error)[:500]}
    allotted = sum(each.spec.max_workers for each in listed) if provider.capabilities.scaling else None
    return {"problem": problem[:500], "allotted": allotted, "strangers": strangers.of(account, listed)}


def _not_ready(provider: Provider, name: str) -> str:
    """Why a server of our own does not serve; "" where it does."""
    found = provider.readiness(name, 0)
    return "" if found.phase is Phase.READY else " ".join(gpu_words.readiness(found))


def _key(account_id: int) -> str:
    return f"gpu-account-check-{account_id}"


def _begins(account_id: int) -> bool:
    """Whether nobody is at it yet. Without Redis nobody knows."""
    try:
        return bool(cache.add(_key(account_id), 1, UNDER_WAY))
    except (RedisError, OSError):
        return True


def _ended(account_id: int) -> None:
    try:
        cache.delete(_key(account_id))
    except (RedisError, OSError):
        return
