"""Why an outcome is unknown, in plain words."""

from typing import Final

from django.utils.translation import gettext_lazy

# The step wrapper's own words; any other reason is a sentence already.
_BECAUSE: Final = {
    "vanished": gettext_lazy("Its process is gone and left no exit code."),
    "supervisor-lost": gettext_lazy("What watches over it on the machine was killed; how it ends may not be known."),
    "reboot": gettext_lazy("The machine was restarted while it ran."),
    "unreachable": gettext_lazy("The machine could not be reached for 10 minutes."),
    "removed": gettext_lazy("What it left on the machine was cleaned up before its end was read."),
    "corrupt": gettext_lazy("What it left on the machine can't be read."),
    "diskfull": gettext_lazy("The machine's disk was full, so its end was not written."),
}


def in_words(reason: str) -> str:
    """The reason of a step or an attempt as a person reads it."""
    return str(_BECAUSE.get(reason, reason))
