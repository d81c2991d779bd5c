"""What audited actions about GPU endpoints are called on screen."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, Promise]] = {
    "gpu_account.create": _("added a GPU account"),
    "gpu_account.change": _("changed a GPU account"),
    "gpu_account.key": _("stored a new API key of a GPU account"),
    "gpu_endpoint.adopt": _("took over a GPU endpoint that was made elsewhere"),
    "environment.gpu": _("changed the GPU settings of an environment"),
    "release.gpu": _("changed the GPU part of a release"),
    "release.gpu_remove": _("took the GPU part of a release away"),
    "gpu_endpoint.creating": _("tries again to create a GPU endpoint"),
    "gpu_endpoint.testing": _("created a GPU endpoint, which is being tested"),
    "gpu_endpoint.standby": _("A GPU endpoint was proved and stands by"),
    "gpu_endpoint.active": _("gave the traffic to a GPU endpoint"),
    "gpu_endpoint.retained": _("keeps a GPU endpoint for a rollback"),
    "gpu_endpoint.failed": _("A GPU endpoint failed"),
    "gpu_endpoint.retiring": _("asked to retire a GPU endpoint"),
    "gpu_endpoint.retired": _("A GPU endpoint was deleted"),
    "gpu_endpoint.stop_asked": _("asked to stop what a GPU endpoint costs"),
    "gpu_endpoint.stop": _("stopped the workers of a GPU endpoint"),
    "gpu_endpoint.allow_asked": _("asked to give a GPU endpoint its workers back"),
    "gpu_endpoint.allow": _("gave a GPU endpoint its workers back"),
    "gpu_endpoint.alarm": _("Something is wrong with a GPU endpoint"),
    "gpu_endpoint.alarm_over": _("What was wrong with a GPU endpoint is over"),
    "gpu_endpoint.found": _("A GPU endpoint was found by its name"),
    "gpu_endpoint.prove": _("asked to have a GPU endpoint answer"),
    "gpu_endpoint.proved": _("had a GPU endpoint answer"),
    "gpu_account.strangers": _("A GPU account has endpoints that are not ours"),
}
