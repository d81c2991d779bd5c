"""Running the check of a checklist item, in a worker, in the name of the person who asked."""

import structlog
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases import lifecycle
from releases.audit import Actor
from releases.engine import consent
from releases.engine.errors import Conflict
from releases.models import ChecklistItem, User
from releases.proofs import registry
from releases.proofs.evidence import Evidence

log = structlog.get_logger(__name__)


def prove_item(item_id: int, user_id: int | None, address: str) -> None:
    """Run the check and keep what it found for the plan it looked at. Safe to be delivered any number of times.

    Whatever goes wrong becomes a failed proof with a sentence. When the plan changed meanwhile, the item is left
    unchecked: what was found holds for another plan.
    """
    item = (
        ChecklistItem.objects.select_related(
            "deployment__plan", "deployment__environment__project", "deployment__release__project"
        )
        .filter(pk=item_id)
        .first()
    )
    if item is None or not item.check_kind or item.deployment.status != lifecycle.DRAFT:
        return
    user = User.objects.filter(pk=user_id).first() if user_id else None
    plan = item.deployment.plan
    try:
        consent.proof_begins(item)
        with override(user.language if user else settings.LANGUAGE_CODE):
            found = _look(item)
        consent.record_proof(item, Actor(user, address), plan.digest, found.passed, found.lines, found.note)
    except Conflict:
        _leave_unchecked(item)


def _look(item: ChecklistItem) -> Evidence:
    entries = item.deployment.plan.content["checklist"]
    entry = next((entry for entry in entries if entry["key"] == item.key), None)
    if entry is None:
        return Evidence(False, [], _("The plan has no such check any more. Make the plan anew."))
    try:
        return registry.prove(entry, item.deployment)
    except Exception as error:
        # A check that breaks must end as "failed" with a sentence, never as one that is checked for ever.
        log.exception("proof broke", item=item.pk)
        return Evidence(False, [], _("The check itself broke: %s") % f"{type(error).__name__}: {error}"[:300])


def _leave_unchecked(item: ChecklistItem) -> None:
    ChecklistItem.objects.filter(pk=item.pk, proof=ChecklistItem.Proof.RUNNING).update(proof=ChecklistItem.Proof.NONE)
