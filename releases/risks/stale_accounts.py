"""Accounts that can still log in but do not."""

from datetime import timedelta
from typing import Final

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from releases.models import Project, User
from releases.risks.finding import Check, Finding, Line, Target, line, ok, records, risk, say, warning
from releases.risks.places import whole
from releases.risks.ways import Ways

STALE: Final = timedelta(days=90)


def look(target: Target, ways: Ways) -> Finding:
    """Members, and superusers, who did not log in for 90 days."""
    since = ways.now - STALE
    rows = list(_people(target.project).filter(Q(last_login__lt=since) | Q(last_login=None, date_joined__lt=since)))
    mend = say(_("Ask them, then take `active` from their accounts in the admin."))
    seen = [_shown(row) for row in rows]
    if any(row.is_superuser for row in rows):
        return risk(say(_("A superuser did not log in for 90 days.")), mend, *seen)
    if rows:
        return warning(say(_("Accounts that were not used for 90 days: %(n)s."), n=len(rows)), mend, *seen)
    return ok(say(_("Everybody with an account logged in within 90 days, or is new.")))


def _people(project: Project) -> QuerySet[User]:
    own = Q(memberships__project=project) | Q(is_superuser=True)
    return User.objects.filter(own, is_active=True).distinct().order_by("username")


def _shown(row: User) -> Line:
    return line(str(row), f"{row.last_login:%Y-%m-%d}" if row.last_login else say(_("never logged in")))


_READS = records(_("The accounts of the project's members and of superusers, and when they last logged in."))
CHECK = Check("stale_accounts", _("Unused accounts"), ("assessment",), whole, _READS, look)
