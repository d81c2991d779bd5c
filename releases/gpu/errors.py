"""What can go wrong between us and a provider of graphics cards, each with what to do about it.

This layer knows no Django: `code` is for upper layers to translate by, `message` and `mend` are plain English.
No text holds an API key or the value of an environment variable.
"""

from __future__ import annotations

from typing import ClassVar


class GpuError(Exception):
    """Base of all errors of this package. `str(error)` is the message, `.mend` says what a person can do."""

    code: ClassVar[str] = "gpu_error"
    mend: str = "Read the message; if it does not help, look at the endpoint in the provider's console."

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        if mend:
            self.mend = mend


class KeyRefused(GpuError):
    code = "key_refused"
    mend = "Put a key that is valid and may manage serverless endpoints into the settings, then try again."


class EndpointGone(GpuError):
    code = "endpoint_gone"
    mend = "Look in the provider's console whether somebody deleted it; create a new one by a deployment."


class JobGone(GpuError):
    """The job is not known (any more): its time to live passed, or its result is no longer kept."""

    code = "job_gone"
    mend = "Send the request again. If jobs vanish while they wait, allow them more time or more workers."


class QuotaFull(GpuError):
    """The account allows no more workers. `quota`: how many in all, where the provider said so."""

    code = "quota_full"
    mend = (
        "Lower the maximum of workers of an endpoint that is not needed, or delete it once it is drained; "
        "the sum over all endpoints counts. A higher balance raises the quota."
    )

    def __init__(self, message: str, mend: str = "", *, quota: int | None = None) -> None:
        super().__init__(message, mend)
        self.quota = quota


class RateLimited(GpuError):
    """Asked too often. `seconds`: how long the provider wants to be left alone."""

    code = "rate_limited"
    mend = "Wait for the time that the message names, then try again."

    def __init__(self, message: str, mend: str = "", *, seconds: float) -> None:
        super().__init__(message, mend)
        self.seconds = seconds


class ProviderRefused(GpuError):
    """The provider understood and said no. Its own words are in the message and apart: title, detail, errors."""

    code = "provider_refused"
    mend = "Correct what the message names in the GPU release, and check it again."

    def __init__(
        self, message: str, mend: str = "", *, title: str = "", detail: str = "", errors: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message, mend)
        self.title = title
        self.detail = detail
        self.errors = errors


class ProviderUnavailable(GpuError):
    """No answer, or one that says the fault is the provider's.

    `sent`: whether the request may have arrived and been done. `seconds`: how long it asks to be left alone, if it did.
    """

    code = "provider_unavailable"
    mend = "Nothing to do at once: try again in some minutes. If it goes on, look at the provider's status page."

    def __init__(self, message: str, mend: str = "", *, sent: bool = True, seconds: float = 0) -> None:
        super().__init__(message, mend)
        self.sent = sent
        self.seconds = seconds


class AnswerUnreadable(GpuError):
    """An answer without what we need of it."""

    code = "answer_unreadable"
    mend = "The provider's interface may have changed: update Cloud Wiki, and look in the provider's console meanwhile."


class UnknownModel(GpuError):
    code = "unknown_model"
    mend = "Use the name that the server was started with: OPENAI_SERVED_MODEL_NAME_OVERRIDE, else MODEL_NAME."


class CreateUnknown(GpuError):
    """The reply to a creation was lost, and looking for the endpoint did not settle whether it exists."""

    code = "create_unknown"
    mend = "Try again with the same release: the endpoint is looked for by its name before another one is created."


class TwoOfOneName(GpuError):
    """More than one endpoint of the name that one release has. `ids`: which."""

    code = "two_of_one_name"
    mend = "Decide which one stays, lower the other's workers to 0 and delete it; each of them can cost money."

    def __init__(self, message: str, mend: str = "", *, ids: tuple[str, ...]) -> None:
        super().__init__(message, mend)
        self.ids = ids


class EndpointDiffers(GpuError):
    """An endpoint of this release's name is there, and it is another thing. `fields`: in what."""

    code = "endpoint_differs"
    mend = "Give the release another tag, or delete that endpoint if nobody uses it."

    def __init__(self, message: str, mend: str = "", *, fields: tuple[str, ...]) -> None:
        super().__init__(message, mend)
        self.fields = fields


class CapacityNotKept(GpuError):
    """The provider took the new numbers of workers, and then showed others."""

    code = "capacity_not_kept"
    mend = "Set it again. If it goes back by itself, the provider lowers it: crashing workers, or a week without use."


class NotDrained(GpuError):
    code = "not_drained"
    mend = "Wait until its jobs are done, or cancel them; deleting an endpoint throws its jobs away for good."


class PriceUnknown(GpuError):
    code = "price_unknown"
    mend = "Name pools that the provider offers, and do not exclude every card in them."


class AddressUntrusted(GpuError):
    """An address that the API key must not be sent to."""

    code = "address_untrusted"
    mend = "If the provider moved, set its new address in the settings; it must begin with https://."


class NotSupported(GpuError):
    """This kind of provider has no such thing; see its `capabilities`."""

    code = "not_supported"
    mend = "Do this on the machine itself, by a step of a runbook."


class Stopped(GpuError):
    """The caller's stop() said so while we waited."""

    code = "stopped"
    mend = "Nothing to do: it was asked for."
