"""How many people may see and change everything."""

from django.utils.translation import gettext_lazy as _

from releases.models import User
from releases.risks.finding import Check, Finding, Said, Target, line, ok, records, risk, say, warning
from releases.risks.places import whole
from releases.risks.ways import Ways

FEW, MANY = 2, 5


def look(_target: Target, _ways: Ways) -> Finding:
    """Active superusers of the installation."""
    rows = list(User.objects.filter(is_superuser=True, is_active=True).order_by("username"))
    seen = [line(str(row), _since(row)) for row in rows]
    said = say(_("Superusers: %(n)s."), n=len(rows))
    mend = say(_("Take `superuser` from accounts that need it only now and then; rights in a project are enough."))
    if len(rows) > MANY:
        return risk(said, mend, *seen)
    if len(rows) > FEW:
        return warning(said, mend, *seen)
    return ok(said, *seen)


def _since(row: User) -> Said:
    if row.last_login is None:
        return say(_("never logged in"))
    return say(_("last login %(day)s"), day=f"{row.last_login:%Y-%m-%d}")


_READS = records(_("The accounts of this installation."))
CHECK = Check("superusers", _("Superusers"), ("assessment",), whole, _READS, look)
