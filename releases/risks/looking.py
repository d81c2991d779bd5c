"""Running one check on one target: whatever goes wrong on the way is `not known` with its reason, never in order."""

import structlog
from django.utils.translation import gettext_lazy as _

from releases.database import AWAY
from releases.models import Project
from releases.risks import consent
from releases.risks.finding import CannotLook, Check, Finding, Target, not_known, say
from releases.risks.ways import SECONDS, Ways

PATIENCE = SECONDS  # for the answer of a host to one check
log = structlog.get_logger(__name__)


def targets(check: Check, project: Project) -> list[Target] | None:
    """What the check looks at; None where that itself broke. Raises only when the database is away."""
    try:
        return list(check.targets(project))
    except AWAY:
        raise
    except Exception:
        log.exception("check broke", check=check.kind, target="")
        return None


def look(check: Check, target: Target, ways: Ways) -> Finding:
    """What the check finds there now. Raises only when the database is away."""
    if target.host is not None and check.on_host and not consent.is_on(target.host):
        return _not_allowed(target)
    try:
        return check.look(target, ways)
    except CannotLook as found:
        return not_known(found.said)
    except AWAY:
        raise
    except Exception as error:
        # Our own fault must read as not known, and must not keep other checks from looking.
        log.exception("check broke", check=check.kind, target=target.key)
        return broke(type(error).__name__)


def broke(what: str) -> Finding:
    """What a check that has a fault of its own found."""
    return not_known(say(_("The check itself broke: %(what)s"), what=what))


def _not_allowed(target: Target) -> Finding:
    looks = getattr(target.host, "looks", None)
    if looks is not None and looks.digest:
        return not_known(
            say(_("What the checks do on this host has changed since somebody agreed to it.")),
            say(_("Read the commands on the page of the host's checks and switch them on again.")),
        )
    return not_known(
        say(_("The checks of this host are off.")),
        say(_("Read the commands on the page of the host's checks and switch them on.")),
    )
