"""Versions of runbooks: a text is never changed, the next one is kept beside it."""

import hashlib
from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine.errors import Conflict, EngineError
from releases.models import Runbook, RunbookVersion, User
from releases.runbooks.estimates import NoSuchStep, with_estimates
from releases.runbooks.loader import load
from releases.runbooks.messages import RunbookErrors


def save_version(
    found: Runbook, text: str, note: str, user: User, who: Actor, base: str, action: str = "runbook.save"
) -> RunbookVersion:
    """Keep a text as the version after `base`. The same text as the newest one is not kept twice.

    Raises Conflict when another text was saved since the version `base`.
    """
    with transaction.atomic():
        Runbook.objects.select_for_update(no_key=True).get(pk=found.pk)
        latest = found.latest()
        if latest is not None and latest.text == text:
            return latest
        if base != str(latest.number if latest else 0):
            raise Conflict(_("Somebody saved another version meanwhile; compare and save again."))
        made = RunbookVersion.objects.create(
            runbook=found,
            number=(latest.number if latest else 0) + 1,
            text=text,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            note=note,
            created_by=user,
        )
        audit.record(who, action, made, note=note, sha256=made.sha256)
    return made


def save_estimates(found: Runbook, seconds: Mapping[str, int], user: User, who: Actor, base: str) -> RunbookVersion:
    """Keep the newest text with other estimates (seconds by key of the step) as the next version.

    Raises Conflict when another text was saved since the version `base`, EngineError where it can't be.
    """
    latest = found.latest()
    if latest is None or base != str(latest.number):
        raise Conflict(_("Somebody saved another version meanwhile; look at the figures of that one."))
    if not seconds:
        raise EngineError(_("Estimates: choose at least one."))
    text = estimated(latest.text, seconds)
    numbers = {step.key: step.number for step in load(text).steps}
    note = _("Estimates from real times: step %s") % ", ".join(numbers[key] for key in numbers if key in seconds)
    return save_version(found, text, note[:300], user, who, base, "runbook.estimates")


def estimated(text: str, seconds: Mapping[str, int]) -> str:
    """A text with other estimates, checked. Raises EngineError."""
    try:
        changed = with_estimates(text, seconds)
        load(changed)
    except NoSuchStep as error:
        raise EngineError(_("The runbook has no step %s any more.") % error) from error
    except RunbookErrors as errors:
        first = errors.errors[0]
        reason = f"{first.path}: {first.message}"
        raise EngineError(_("The runbook would not be right with this estimate. %s") % reason) from errors
    return changed
