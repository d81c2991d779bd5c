"""What audited actions of announcements and channels are called on screen."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, Promise]] = {
    "announcement.post": _("posted an announcement"),
    "announcement.edit": _("changed an announcement"),
    "announcement.scheduled": _("announced again what was called off"),
    "announcement.in_progress": _("The announcement says: in progress"),
    "announcement.verifying": _("The announcement says: verifying"),
    "announcement.done": _("The announcement says: done"),
    "announcement.cancelled": _("The announcement says: cancelled"),
    "announcement.trouble": _("The announcement says that a problem came up"),
    "announcement.postpone": _("moved the planned time of an announcement"),
    "channel.create": _("added a channel"),
    "channel.change": _("changed a channel"),
    "channel.remove": _("removed a channel"),
    "channel.test": _("sent a test message"),
    "delivery.again": _("tried a failed delivery again"),
    "wording.set": _("wrote words of announcements"),
    "wording.reset": _("took the shipped words of announcements again"),
}
