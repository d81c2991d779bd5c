"""What people say about themselves: their name and language, what they have read, that they found their way in."""

from django.db import transaction

from releases import audit
from releases.audit import Actor
from releases.engine import clock
from releases.models import Membership, Project, Reading, RunbookVersion, User


def change_person(user: User, display_name: str, language: str, actor: Actor) -> None:
    """Keep the name and the language that a person chose."""
    with transaction.atomic():
        changes = {"display_name": display_name, "language": language, "language_chosen_at": clock.now()}
        User.objects.filter(pk=user.pk).update(**changes)
        audit.record(actor, "user.change", user, name=display_name, language=language)


def choose_language(user: User, language: str, actor: Actor) -> None:
    """Keep the language that a person switched to; the same once more is no news."""
    with transaction.atomic():
        rows = User.objects.filter(pk=user.pk)
        changed = rows.exclude(language=language, language_chosen_at__isnull=False)
        if changed.update(language=language, language_chosen_at=clock.now()):
            audit.record(actor, "user.change", user, language=language)


def say_read(version: RunbookVersion, user: User, actor: Actor) -> None:
    """A person has read this version of a runbook. Said twice, it is kept once."""
    with transaction.atomic():
        _row, is_new = Reading.objects.get_or_create(user=user, version=version)
        if is_new:
            audit.record(actor, "runbook.read", version)


def close_onboarding(project: Project, user: User, actor: Actor) -> None:
    """Take the way to the first deployment off a person's dashboard."""
    with transaction.atomic():
        open_ones = Membership.objects.filter(project=project, user=user, onboarding_closed_at=None)
        if open_ones.update(onboarding_closed_at=clock.now()):
            audit.record(actor, "onboarding.close", project)
