"""What audited actions about GPU endpoints are called on screen."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, Promise]] = {
    "gpu_endpoint.creating": _("tries again to create a GPU endpoint"),
    "gpu_endpoint.testing": _("created a GPU endpoint, which is being tested"),
    "gpu_endpoint.standby": _("A GPU endpoint was proved and stands by"),
    "gpu_endpoint.active": _("gave the traffic to a GPU endpoint"),
    "gpu_endpoint.retained": _("keeps a GPU endpoint for a rollback"),
    "gpu_endpoint.failed": _("A GPU endpoint failed"),
    "gpu_endpoint.retiring": _("asked to retire a GPU endpoint"),
    "gpu_endpoint.retired": _("A GPU endpoint was deleted"),
    "gpu_endpoint.stop": _("stopped the workers of a GPU endpoint"),
}
