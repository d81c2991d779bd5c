"""Secrets in texts that are stored already: people read them, and so does whoever copies the database."""

from collections.abc import Iterator
from typing import Final

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from releases.models import (
    Approval,
    Attempt,
    AuditEvent,
    Environment,
    EnvironmentLock,
    Project,
    Release,
    RunbookVersion,
    Variable,
    WikiPage,
    Wording,
)
from releases.models.announcement import Announcement
from releases.risks.finding import Check, Finding, Line, Target, line, ok, records, risk, say
from releases.risks.places import whole
from releases.risks.secrets_scanner import Found, scan
from releases.risks.ways import Ways

MOST: Final = 2000  # rows of each kind, the newest
SHOWN: Final = 20
INSISTED: Final = "text.insist"  # the audit event of a person who said that it is no secret


def mark(text: str) -> str:
    """What an audit event keeps of a text that is no secret, so that it is known again and can't be read back."""
    return salted_hmac("releases.risks.not-a-secret", text, algorithm="sha256").hexdigest()[:32]


def look(target: Target, _ways: Ways) -> Finding:
    """Every free text of the project; what somebody said is no secret does not count."""
    allowed = {
        one
        for detail in AuditEvent.objects.filter(project=target.project, action=INSISTED).values_list(
            "detail", flat=True
        )
        for one in detail.get("marks", [])
    }
    count, hits = 0, []
    for where, text in texts(target.project):
        count += 1
        hits += [(where, one) for one in scan(text) if mark(one.text) not in allowed]
    if not hits:
        return ok(say(_("No text holds what looks like a secret.")), line(_("Texts read"), count))
    return risk(
        say(_("Texts hold what looks like a secret: %(n)s."), n=len(hits)),
        say(_("Give each a new value where it is used, then take it out of the text; keep it as a secret variable.")),
        line(_("Texts read"), count),
        *(_shown(where, one) for where, one in hits[:SHOWN]),
    )


def texts(project: Project) -> Iterator[tuple[str, str]]:
    """Every text that people wrote, with where it stands."""
    environments = Environment.objects.filter(project=project)
    for variable in Variable.objects.filter(environment__in=environments, is_secret=False)[:MOST]:
        yield f"{variable.name} ({variable.environment_id})", f"{variable.name}={variable.value}"
    for release in Release.objects.filter(project=project).order_by("-pk")[:MOST]:
        yield release.version, f"{release.notes}\n{release.migration_sql}"
    newest = (
        RunbookVersion.objects.filter(runbook__project=project).order_by("runbook_id", "-number").distinct("runbook_id")
    )
    for version in newest.select_related("runbook"):
        yield str(version), f"{version.text}\n{version.note}"
    for post in Announcement.objects.filter(environment__in=environments).order_by("-pk")[:MOST]:
        yield post.title_ko or post.title_en, "\n".join((post.title_ko, post.title_en, post.body_ko, post.body_en))
    for words in Wording.objects.filter(project=project):
        yield str(words), "\n".join((words.title_ko, words.title_en, words.body_ko, words.body_en))
    for page in WikiPage.objects.filter(project=project).order_by("-pk")[:MOST]:
        yield page.title_ko or page.title_en, "\n".join((page.title_ko, page.title_en, page.body_ko, page.body_en))
    for lock in EnvironmentLock.objects.filter(environment__in=environments).select_related("environment"):
        yield lock.environment.name, lock.reason
    notes = Attempt.objects.filter(step__deployment__environment__in=environments).exclude(note="").order_by("-pk")
    for attempt in notes.select_related("step")[:MOST]:
        yield f"#{attempt.step.deployment_id} {attempt.step.number}", attempt.note
    for approval in (
        Approval.objects.filter(deployment__environment__in=environments).exclude(note="").order_by("-pk")[:MOST]
    ):
        yield f"#{approval.deployment_id}", approval.note


def _shown(where: str, found: Found) -> Line:
    # What a secret is called is evidence enough; not even its beginning belongs into another text.
    return line(where, say(_("%(what)s, line %(n)s"), what=found.label, n=found.line))


_READS = records(
    _("Variables that are not secret, release notes, runbooks, announcements, wiki pages, reasons and notes.")
)
CHECK = Check("stored_secrets", _("Secrets in texts"), ("secrets",), whole, _READS, look)
