"""The words of each error of the GPU layer: what went wrong, by the error's code, and what to do about it."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, tuple[Promise, Promise]]] = {
    "gpu_error": (
        _("The GPU provider could not be worked with."),
        _("Read the message; if it does not help, look at the endpoint in the provider's console."),
    ),
    "key_refused": (
        _("The GPU provider refused the API key."),
        _("Put a key that is valid and may manage serverless endpoints into the settings, then try again."),
    ),
    "endpoint_gone": (
        _("The GPU endpoint is not there."),
        _("Look in the provider's console whether somebody deleted it; create a new one by a deployment."),
    ),
    "job_gone": (
        _("The GPU provider does not know the request any more."),
        _("Send the request again. If jobs vanish while they wait, allow them more time or more workers."),
    ),
    "quota_full": (
        _("The GPU account allows no more workers."),
        _(
            "Lower the maximum of workers of an endpoint that is not needed, or delete it once it is drained; "
            "the sum over all endpoints counts. A higher balance raises the quota."
        ),
    ),
    "rate_limited": (
        _("The GPU provider was asked too often."),
        _("Wait for the time that the message names, then try again."),
    ),
    "provider_refused": (
        _("The GPU provider refused the request."),
        _("Correct what the message names in the GPU release, and check it again."),
    ),
    "provider_unavailable": (
        _("The GPU provider does not answer as it should."),
        _("Nothing to do at once: try again in some minutes. If it goes on, look at the provider's status page."),
    ),
    "answer_unreadable": (
        _("The GPU provider's answer can't be read."),
        _(
            "The provider's interface may have changed: update Cloud Wiki, and look in the provider's console "
            "meanwhile."
        ),
    ),
    "unknown_model": (
        _("The server does not know the model."),
        _("Use the name that the server was started with: OPENAI_SERVED_MODEL_NAME_OVERRIDE, else MODEL_NAME."),
    ),
    "create_unknown": (
        _("Whether the GPU endpoint was created is not known."),
        _("Try again with the same release: the endpoint is looked for by its name before another one is created."),
    ),
    "two_of_one_name": (
        _("Several GPU endpoints have the name of one release."),
        _("Decide which one stays, lower the other's workers to 0 and delete it; each of them can cost money."),
    ),
    "endpoint_differs": (
        _("A GPU endpoint of this name is there already, and it is another thing."),
        _("Give the release another tag, or delete that endpoint if nobody uses it."),
    ),
    "capacity_not_kept": (
        _("The GPU provider did not keep the numbers of workers."),
        _("Set it again. If it goes back by itself, the provider lowers it: crashing workers, or a week without use."),
    ),
    "not_drained": (
        _("The GPU endpoint still has work to do."),
        _("Wait until its jobs are done, or cancel them; deleting an endpoint throws its jobs away for good."),
    ),
    "price_unknown": (
        _("What the GPU endpoint costs is not known."),
        _("Name pools that the provider offers, and do not exclude every card in them."),
    ),
    "address_untrusted": (
        _("The API key must not be sent to this address."),
        _("If the provider moved, set its new address in the settings; it must begin with https://."),
    ),
    "not_supported": (
        _("This kind of GPU provider can't do that."),
        _("Do this on the machine itself, by a step of a runbook."),
    ),
    "stopped": (
        _("Waiting for the GPU provider was stopped."),
        _("Nothing to do: it was asked for."),
    ),
}
# What some errors advise in place of the usual.
SPECIAL: Final[dict[str, Promise]] = {
    "Give the key the right to do this, or use one that has it.": _(
        "Give the key the right to do this, or use one that has it."
    ),
}
