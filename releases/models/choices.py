"""The closed lists that rows are checked against."""

from collections.abc import Callable, Iterable
from typing import Final

from django.db import models
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

LANGUAGES: Final = ("ko", "en")  # in which rows keep texts for readers of either


class Role(models.TextChoices):
    """What a person is in the team, in the seed's words."""

    OPERATIONS = "operations", _("Operations")
    DEVOPS = "devops", _("DevOps")
    BACKEND = "backend", _("BE developer")
    FRONTEND = "frontend", _("FE developer")
    AI = "ai", _("AI developer")
    EVERYONE = "everyone", _("Everyone")


# Who owns a step: a role of people, or two that do it together.
OWNERS: Final = [
    *Role.choices,
    ("devops_backend", _("DevOps + BE developer")),
    ("devops_ai", _("DevOps + AI developer")),
]


class Status(models.TextChoices):
    """Every status of lifecycle.py with the word shown for it."""

    DRAFT = "draft", _("Draft")
    PENDING = "pending", _("Pending")
    DISPATCHING = "dispatching", _("Dispatching")
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Needs a person")
    LOST = "lost", _("Lost")
    CANCELLING = "cancelling", _("Cancelling")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    ERRORED = "errored", _("Errored")
    TIMED_OUT = "timed_out", _("Timed out")
    CANCELLED = "cancelled", _("Cancelled")
    UNKNOWN = "unknown", _("Unknown")
    SKIPPED = "skipped", _("Skipped")


class Phase(models.TextChoices):
    """The boxes of the seed's flowchart (4.1)."""

    PREPARE = "prepare", _("Prepare")
    STOP = "stop", _("Stop")
    REPLACE = "replace", _("Replace")
    VERIFY = "verify", _("Verify")
    FINISH = "finish", _("Finish")


class DeploymentKind(models.TextChoices):
    """What a deployment does."""

    DEPLOY = "deploy", _("Deploy")
    ROLLBACK = "rollback", _("Rollback")
    GPU_DEPLOY = "gpu_deploy", _("GPU deploy")
    GPU_ROLLBACK = "gpu_rollback", _("GPU rollback")
    REHEARSAL = "rehearsal", _("Rehearsal")


def one_of(field: str, allowed: Iterable[str], name: str) -> models.CheckConstraint:
    """A database constraint that `field` holds one of `allowed`."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": sorted(allowed)}), name=name)


def in_reader_language(ko: str, en: str) -> str:
    """Of two texts the one in the active language; the other when that one is empty."""
    first, second = (ko, en) if (get_language() or "ko").startswith("ko") else (en, ko)
    return first or second


def in_each_language(words: Callable[[], str]) -> dict[str, str]:
    """What `words` says while each language is the active one, by its code."""
    found = {}
    for language in LANGUAGES:
        with override(language):
            found[language] = words()
    return found
