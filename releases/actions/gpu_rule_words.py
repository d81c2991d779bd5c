"""The words of each rule about what a GPU endpoint may be: what is wrong, by the rule's code, and what to do."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, tuple[Promise, Promise]]] = {
    "no_room": (
        _("There is no room for workers: %(wanted)d more are wanted, and %(allotted)d of %(quota)d are allotted."),
        _("Lower the maximum of an endpoint kept in reserve, or retire it."),
    ),
    "minimum_unfit": (
        _("The minimum of %(minimum)d workers does not fit the maximum of %(maximum)d."),
        _("Set a minimum from 0 to the maximum; 0 lets it sleep."),
    ),
    "no_worker": (
        _("Without a worker it never answers."),
        _("Set a maximum of 1 or more."),
    ),
    "idle_impossible": (
        _("%(seconds)d s idle is outside of what the provider takes."),
        _("Set 1 to %(longest)d s."),
    ),
    "delay_too_short": (
        _("A queue delay of %(seconds)s s is too short."),
        _("Set %(shortest)s s or more."),
    ),
    "requests_impossible": (
        _("%(requests)s requests for a worker cannot be."),
        _("Set a whole number from 1."),
    ),
    "no_image": (
        _("No image is named."),
        _("Name one with a tag other than latest, or with a digest."),
    ),
    "image_not_fixed": (
        _("The image %(image)s names no fixed version: workers may run different ones."),
        _("Name a tag other than latest, or a digest."),
    ),
    "no_pool": (
        _("No pool of cards is named."),
        _("Name at least one, such as AMPERE_24."),
    ),
    "no_disk": (
        _("A worker needs a disk for its image and model."),
        _("Set 1 GB or more."),
    ),
    "no_time_limit": (
        _("A request without a limit of time can cost without end."),
        _("Set 1 s or more."),
    ),
    "too_many_workers": (
        _("%(maximum)d workers are more than the %(allowed)d allowed."),
        _("Set %(allowed)d or fewer."),
    ),
    "always_on": (
        _("A minimum of %(minimum)d costs money day and night."),
        _("Set 0: workers start with the first request."),
    ),
    "idle_too_long": (
        _("Workers would idle for %(seconds)d s at full price; %(allowed)d s are allowed."),
        _("Set %(allowed)d s or less."),
    ),
    "request_too_long": (
        _("A request may take %(seconds)d s; %(allowed)d s are allowed."),
        _("Set %(allowed)d s or less."),
    ),
    "pools_not_allowed": (
        _("Pools that are not allowed: %(pools)s."),
        _("Use %(allowed)s."),
    ),
    "over_budget": (
        _("At worst it costs %(worst).2f USD a day; the budget is %(budget).2f USD."),
        _("Allow fewer workers or cheaper cards, or have the budget raised."),
    ),
}
