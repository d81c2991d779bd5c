"""The demo's risks: what the checks of Cloud Wiki's own records really find, one of them accepted for a month."""

from datetime import timedelta
from typing import Final

from django.db import transaction

from releases.audit import Actor
from releases.engine import clock, risks, wake
from releases.models import Project, Risk, RiskRound, User
from releases.risks import looking
from releases.risks.registry import all_checks
from releases.risks.ways import Ways

SOON: Final = 20.0  # seconds, until the demo's services answer


def load(project: Project) -> None:
    """Look once at what needs no other machine; a worker looks at the rest when everything runs.

    The checks of the demo host stay off: it is the reader's own machine.
    """
    RiskRound.objects.get_or_create(project=project)
    if not Risk.objects.filter(project=project).exists():
        _look(project)
        _decide(project)
    transaction.on_commit(lambda: wake.send("look_at_risks", project.pk, delay=SOON))


def _look(project: Project) -> None:
    ways = Ways(clock.now())
    for check in all_checks():
        for target in check.targets(project):
            if all(one.place == "records" for one in check.does(target)):
                risks.keep(project, check, target, looking.look(check, target, ways))


def _decide(project: Project) -> None:
    """As the seed does: the single machine is on purpose for now, and somebody watches the backups."""
    minjun, admin = (User.objects.get(username=name) for name in ("minjun", "admin"))
    single = Risk.objects.filter(project=project, kind="single_host", state="open").first()
    if single is not None:
        reason = "DAU 30명 수준에서는 의도한 선택입니다. 트래픽이 늘면 분리합니다."
        risks.accept(single, admin, Actor(admin), clock.now() + timedelta(days=30), reason)
    backups = Risk.objects.filter(project=project, kind="backup_schedule", state="open").first()
    if backups is not None:
        risks.assign(backups, minjun, admin, Actor(admin))
