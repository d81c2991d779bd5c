"""A person's word that a text is no secret, on record beside the change that keeps the text: both or neither."""

from collections.abc import Sequence

from django.db.models import Model

from releases import audit
from releases.audit import Actor
from releases.risks.secrets_scanner import Found
from releases.risks.stored_secrets import INSISTED, mark


def put_on_record(who: Actor, target: Model, found: Sequence[Found]) -> None:
    """Write down in the caller's transaction that a person said that these are no secrets."""
    if found:
        rules = sorted({one.rule for one in found})
        audit.record(who, INSISTED, target, kinds=rules, marks=[mark(one.text) for one in found])
