"""Creating an endpoint exactly once, although its reply may get lost and RunPod knows no idempotency key.

The release's tag is in the name. Before anything is sent, and again before anything is repeated, the endpoint is
looked for by that name. A lost request may still be at work when we look, so a doubt is waited out for a while.
"""

from __future__ import annotations

from collections.abc import Callable

from .errors import (
    AnswerUnreadable,
    CreateUnknown,
    EndpointDiffers,
    GpuError,
    ProviderUnavailable,
    RateLimited,
    TwoOfOneName,
)
from .http import pause_before
from .nouns import Endpoint, EndpointSpec
from .patience import Deadline

ATTEMPTS = 3
LAST_LOOK = 5.0  # seconds for whether it is there, granted also to who was told to stop
LOOK_AGAIN = 1.0  # seconds between two looks while a lost request may still be at work
LEGACY_SUFFIX = " -fb"  # the older interface marked FlashBoot in the name

Passing = RateLimited | ProviderUnavailable


def named(spec: EndpointSpec, tag: str) -> str:
    """The name that the endpoint of the release `tag` has."""
    return f"{spec.name}-{tag}"


def same_name(one: str, other: str) -> bool:
    return one.removesuffix(LEGACY_SUFFIX) == other.removesuffix(LEGACY_SUFFIX)


def differences(wanted: EndpointSpec, seen: EndpointSpec) -> tuple[str, ...]:
    """In which fields `seen` is another thing.

    Numbers of workers and limits do not count: they change in use. Nor does what a reply may leave out, and did.
    """
    pairs = {
        "image": (wanted.image, seen.image),
        "env": (dict(wanted.env), dict(seen.env)),
        "pools": (set(wanted.pools), set(seen.pools)),
        "excluded_types": (set(wanted.excluded_types), set(seen.excluded_types)),
        "min_cuda": (wanted.min_cuda, seen.min_cuda),
        "gpu_count": (wanted.gpu_count, seen.gpu_count),
        "disk_gb": (wanted.disk_gb, seen.disk_gb),
    }
    return tuple(name for name, (one, other) in pairs.items() if other and one != other)


class Creation:
    """One creation. `settle`: seconds for which a request without a reply may still be at work."""

    def __init__(
        self,
        spec: EndpointSpec,
        name: str,
        *,
        post: Callable[[Deadline], Endpoint],
        list_all: Callable[[Deadline], list[Endpoint]],
        settle: float,
    ) -> None:
        self._spec = spec
        self._name = name
        self._post = post
        self._list_all = list_all
        self._settle = settle
        self._doubt = False  # a request may have been done of which we know nothing

    def run(self, deadline: Deadline) -> Endpoint:
        """The one endpoint of this name, created unless it is there.

        Raises CreateUnknown, TwoOfOneName, EndpointDiffers, and what refuses the creation.
        """
        try:
            return self._run(deadline)
        except (CreateUnknown, TwoOfOneName, EndpointDiffers):
            raise
        except GpuError as error:  # a refusal or a stop: an earlier request may have been done all the same
            if not self._doubt:
                raise
            if found := self._look(Deadline(LAST_LOOK)):
                return found
            raise self._given_up(error) from error

    def _run(self, deadline: Deadline) -> Endpoint:
        if found := self._look(deadline):
            return found
        for attempt in range(ATTEMPTS):
            try:
                return self._made(self._post(deadline), deadline)
            except (RateLimited, ProviderUnavailable, AnswerUnreadable) as error:
                if found := self._after(error, deadline):
                    return found
                pause = pause_before(attempt, 0 if isinstance(error, AnswerUnreadable) else error.seconds)
                if attempt + 1 == ATTEMPTS or pause >= deadline.left:
                    raise self._given_up(error) from error
                deadline.pause(pause)
                if found := self._look(deadline):  # what was slow may have come meanwhile
                    return found
        raise AssertionError("the last attempt returns or raises")

    def _made(self, made: Endpoint, deadline: Deadline) -> Endpoint:
        """Ours just now. After a doubt there may be another one, which nobody would ever look at."""
        if self._doubt:
            self._look(deadline)
        return made

    def _after(self, error: Passing | AnswerUnreadable, deadline: Deadline) -> Endpoint | None:
        """The endpoint, if the failed request created it all the same."""
        if isinstance(error, RateLimited) or (isinstance(error, ProviderUnavailable) and not error.sent):
            return None
        self._doubt = True
        settled = deadline.shorter(self._settle)
        while True:
            if found := self._look(deadline):
                return found
            if settled.passed:
                return None
            settled.pause(LOOK_AGAIN)

    def _look(self, deadline: Deadline) -> Endpoint | None:
        try:
            found = [each for each in self._list_all(deadline) if same_name(each.name, self._name)]
        except (RateLimited, ProviderUnavailable, AnswerUnreadable) as error:
            if self._doubt:
                raise self._given_up(error) from error
            raise
        if len(found) > 1:
            ids = tuple(each.id for each in found)
            raise TwoOfOneName(f"There are {len(found)} endpoints named {self._name}: {', '.join(ids)}.", ids=ids)
        if not found:
            return None
        if fields := differences(self._spec, found[0].spec):
            said = f"The endpoint {found[0].id} has the name {self._name}, and differs in: {', '.join(fields)}."
            raise EndpointDiffers(said, fields=fields)
        return found[0]

    def _given_up(self, error: GpuError) -> GpuError:
        if not self._doubt:
            return error
        return CreateUnknown(f"It is not known whether the endpoint {self._name} was created. {error.message}")
