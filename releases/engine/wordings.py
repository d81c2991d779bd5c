"""A project's own words for announcements of a kind."""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import Actor
from releases.engine.errors import Conflict
from releases.engine.insisting import put_on_record
from releases.models import Project, Wording
from releases.notices.shipped import SHIPPED, Words
from releases.risks.secrets_scanner import Found


def save(project: Project, kind: str, stage: str, words: Words, actor: Actor, insisted: Sequence[Found] = ()) -> None:
    """Use these words from now on; the shipped ones written again are no words of one's own.

    `insisted`: what a person said is no secret.
    """
    if words == SHIPPED[kind, stage]:
        if Wording.objects.filter(project=project, kind=kind, stage=stage).exists():
            reset(project, kind, stage, actor)
        return
    with transaction.atomic():
        values = {**words._asdict(), "updated_by": actor.user}
        row, _made = Wording.objects.update_or_create(project=project, kind=kind, stage=stage, defaults=values)
        put_on_record(actor, project, insisted)
        audit.record(actor, "wording.set", row, title=words.title_ko)


def reset(project: Project, kind: str, stage: str, actor: Actor) -> None:
    """Go back to the shipped words. Raises Conflict where they are used already."""
    with transaction.atomic():
        row = (
            Wording.objects.select_for_update(no_key=True, of=("self",))
            .filter(project=project, kind=kind, stage=stage)
            .first()
        )
        if row is None:
            raise Conflict(_("The shipped words are used already."))
        Wording.objects.filter(pk=row.pk).delete()
        audit.record(actor, "wording.reset", row)
