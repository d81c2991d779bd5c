"""How risks look and what happened to them is called."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.models import Seen

# What a check saw -> the status whose shape and ink it has (templatetags/icons.py).
SHAPES: Final = {Seen.OK: "succeeded", Seen.WARNING: "warning", Seen.RISK: "failed", Seen.NOT_KNOWN: "unknown"}
ORDER: Final = (Seen.RISK, Seen.WARNING, Seen.NOT_KNOWN, Seen.OK)
EVENTS: Final[dict[str, Promise]] = {
    "first": _("looked at for the first time"),
    "seen": _("seen otherwise"),
    "opened": _("opened"),
    "worsened": _("worse than what was accepted: open again"),
    "expired": _("the acceptance ended: open again"),
    "mended": _("mended, as the check sees it"),
    "gone": _("what was looked at is not there any more"),
    "accepted": _("accepted"),
    "reopened": _("acceptance taken back"),
    "assigned": _("owner changed"),
}
PLACES: Final[dict[str, Promise]] = {
    "host": _("On the host, over SSH"),
    "controller": _("From this server"),
    "records": _("In Cloud Wiki's own records"),
}
AUDIT: Final[dict[str, Promise]] = {
    "risk.look": _("had the risks looked at"),
    "risk.open": _("A check opened a risk"),
    "risk.mend": _("A check mended a risk"),
    "risk.gone": _("A risk ended with what it was about"),
    "risk.accept": _("accepted a risk"),
    "risk.reopen": _("took back the acceptance of a risk"),
    "risk.assign": _("gave a risk to somebody"),
    "host.looks": _("set what checks look at on a host"),
    "host.looks_on": _("switched a host's checks on"),
    "host.looks_off": _("switched a host's checks off"),
    "text.insist": _("said that a text is no secret"),
}
