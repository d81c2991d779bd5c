"""A project's own figures for the comparison of the seed's 4.2."""

from typing import Any

from django.db import transaction

from releases import audit
from releases.audit import Actor
from releases.models import ComparisonFigures, Project, User


def save_figures(project: Project, values: dict[str, Any], user: User, actor: Actor) -> None:
    """Keep them in the place of what is shipped; durations in seconds."""
    with transaction.atomic():
        before = ComparisonFigures.objects.select_for_update().filter(project=project).first()
        old = before.values if before else {}
        ComparisonFigures.objects.update_or_create(project=project, defaults={"values": values, "changed_by": user})
        changed = {name: [old.get(name), value] for name, value in values.items() if old.get(name) != value}
        audit.record(actor, "comparison.change", project, changed=changed)
