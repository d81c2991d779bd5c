"""What becomes of risks: checks open and mend them; people assign them, accept them for a time, take that back.

Nobody marks a risk as mended: the check that saw it does, when it sees it in order. A check that could not look changes
nothing: what was open stays open.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from releases import audit
from releases.audit import THE_SYSTEM, Actor
from releases.engine import clock
from releases.engine.errors import Conflict, EngineError
from releases.engine.insisting import put_on_record
from releases.models import Membership, Project, Risk, RiskEvent, RiskRound, RiskState, Seen, User
from releases.models.choices import in_each_language
from releases.notices import outbox
from releases.risks import looking
from releases.risks.finding import Check, Finding, Target
from releases.risks.registry import all_checks, by_kind, view_of
from releases.risks.secrets_scanner import Found

LONGEST = timedelta(days=365)  # that a risk may be accepted for
BAD = (Seen.WARNING, Seen.RISK)


def keep(project: Project, check: Check, target: Target, finding: Finding) -> Risk:
    """Write down what a check found there, and open or mend the risk by it."""
    with transaction.atomic():
        Risk.objects.get_or_create(
            project=project,
            kind=check.kind,
            target=target.key,
            defaults={"view": view_of(check), "name": target.name[:200]},
        )
        row = Risk.objects.select_for_update().get(project=project, kind=check.kind, target=target.key)
        before, now = row.seen if row.looked_at else "", clock.now()
        row.view, row.position = view_of(check), all_checks().index(check)
        row.name, row.environment, row.host = target.name[:200], target.environment, target.host
        row.seen, row.said, row.evidence = finding.seen, finding.said.kept(), [one.kept() for one in finding.evidence]
        row.mend, row.looked_at, row.is_gone = (finding.mend.kept() if finding.mend else {}), now, False
        happened = _judge(row, now)
        row.save()
        if happened or before != row.seen:
            _note(row, happened or ("seen" if before else "first"))
        if happened in {"opened", "expired", "worsened"}:
            _tell_opened(row)
        elif happened == "mended":
            audit.record(THE_SYSTEM, "risk.mend", row)
    return row


def _judge(row: Risk, now: datetime) -> str:
    """Move the state by what was seen just now; what happened, "" for nothing."""
    if row.seen == Seen.OK:
        if row.state not in {RiskState.OPEN, RiskState.ACCEPTED}:
            return ""
        row.state, row.mended_at = RiskState.MENDED, now
        row.accepted_until, row.accepted_because = None, ""
        return "mended"
    if row.seen not in BAD:
        return ""
    if row.state in {RiskState.CLEAR, RiskState.MENDED}:
        row.state, row.opened_at, row.mended_at = RiskState.OPEN, now, None
        return "opened"
    if row.state == RiskState.ACCEPTED:
        over = row.accepted_until is None or row.accepted_until <= now
        worse = row.seen == Seen.RISK and _accepted_as(row) == Seen.WARNING
        if over or worse:  # a warning was accepted, not what it has become
            _take_back(row)
            return "expired" if over else "worsened"
    return ""


def lost(project: Project, check: Check) -> None:
    """The check could not even say what there is to look at: nothing that it saw before still counts as seen."""
    finding = looking.broke(check.kind)
    for row in Risk.objects.filter(project=project, kind=check.kind, is_gone=False).select_related(
        "environment", "host"
    ):
        keep(project, check, Target(row.target, row.name, project, row.environment, row.host), finding)


def close_gone(project: Project, kinds: set[str], seen: set[tuple[str, str]]) -> None:
    """What was looked at and is not there any more is no risk any more. `seen`: (kind, target) that are there."""
    for row in Risk.objects.filter(project=project, kind__in=kinds, is_gone=False):
        if (row.kind, row.target) in seen:
            continue
        with transaction.atomic():
            locked = Risk.objects.select_for_update().get(pk=row.pk)
            locked.is_gone = True
            if locked.state in {RiskState.OPEN, RiskState.ACCEPTED}:
                locked.state, locked.mended_at = RiskState.MENDED, clock.now()
                locked.accepted_until, locked.accepted_because = None, ""
            locked.save()
            _note(locked, "gone")
            audit.record(THE_SYSTEM, "risk.gone", locked)


def accept(risk: Risk, user: User, actor: Actor, until: datetime, reason: str, insisted: Sequence[Found] = ()) -> None:
    """Live with a risk until a moment, for a reason; `insisted`: what a person said is no secret in it.

    Raises EngineError, Conflict when it is not open.
    """
    if not reason.strip():
        raise EngineError(_("Reason: say why it is all right to live with it."))
    now = clock.now()
    if not now < until <= now + LONGEST:
        raise EngineError(_("Until: choose a day within the next 365 days."))
    with transaction.atomic():
        row = _locked(risk, {RiskState.OPEN, RiskState.ACCEPTED})
        row.state, row.accepted_until, row.accepted_because = RiskState.ACCEPTED, until, reason.strip()[:500]
        row.save()
        _note(row, "accepted", user, reason, until)
        put_on_record(actor, row, insisted)
        audit.record(actor, "risk.accept", row, reason=row.accepted_because, until=until.isoformat())


def reopen(risk: Risk, user: User, actor: Actor) -> None:
    """Take an acceptance back. Raises Conflict when it is not accepted."""
    with transaction.atomic():
        row = _locked(risk, {RiskState.ACCEPTED})
        _take_back(row)
        row.save()
        _note(row, "reopened", user)
        audit.record(actor, "risk.reopen", row)


def assign(risk: Risk, owner: User | None, user: User, actor: Actor) -> None:
    """Give a risk to a member of its project, or to nobody. Raises EngineError for anybody else."""
    members = Membership.objects.filter(project=risk.project_id, user__is_active=True)
    if owner is not None and not members.filter(user=owner).exists():
        raise EngineError(_("Owner: choose a member of the project."))
    with transaction.atomic():
        row = Risk.objects.select_for_update().get(pk=risk.pk)
        row.owner = owner
        row.save(update_fields=["owner"])
        _note(row, "assigned", user, str(owner) if owner else "")
        audit.record(actor, "risk.assign", row, owner=str(owner) if owner else "")


def expire(now: datetime) -> None:
    """Open again what was accepted until now."""
    for row in Risk.objects.filter(state=RiskState.ACCEPTED, accepted_until__lte=now):
        with transaction.atomic():
            locked = Risk.objects.select_for_update().get(pk=row.pk)
            if locked.state != RiskState.ACCEPTED or (locked.accepted_until and locked.accepted_until > now):
                continue
            _take_back(locked)
            locked.save()
            _note(locked, "expired")
            _tell_opened(locked)


def _accepted_as(row: Risk) -> str:
    """What it was when somebody accepted it; what was seen, or not, in between does not matter."""
    return row.events.filter(kind="accepted").values_list("seen", flat=True).first() or ""


def _tell_opened(risk: Risk) -> None:
    """A risk is open that was not: the one place where that is told, to the team."""
    # What the first round of a project finds is one long list, which its page shows better than as many messages.
    if RiskRound.objects.filter(project=risk.project_id, ended_at__isnull=False).exists():
        check = by_kind().get(risk.kind)
        title = check.title if check else risk.kind
        subject = in_each_language(lambda: f"[{Seen(risk.seen).label}] {title}: {risk.name}")
        text = in_each_language(lambda: _plain(risk.sentence()))
        outbox.put(risk.project, "risk", subject, text, reverse("releases:risk", args=[risk.pk]))
    audit.record(THE_SYSTEM, "risk.open", risk, seen=risk.seen)


def _plain(sentence: str) -> str:
    """As Markdown that shows it as it is: a check quotes what servers say."""
    return re.sub(r"([\\`*_\[\]<>#|~])", r"\\\1", sentence)


def _take_back(row: Risk) -> None:
    row.state, row.accepted_until, row.accepted_because = RiskState.OPEN, None, ""


def _locked(risk: Risk, states: set[RiskState]) -> Risk:
    row = Risk.objects.select_for_update().get(pk=risk.pk)
    if row.state not in states:
        raise Conflict(_("It changed a moment ago; look at the page again and decide anew."))
    return row


def _note(row: Risk, kind: str, by: User | None = None, note: str = "", until: datetime | None = None) -> None:
    RiskEvent.objects.create(
        risk=row, kind=kind, seen=row.seen, by=by, said=row.said, note=note.strip()[:500], until=until, at=clock.now()
    )
