"""What a provider of graphics cards can do. An endpoint is named by its `ref`, the provider's own id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol, Self

from .nouns import (
    Capabilities,
    Endpoint,
    EndpointSpec,
    Health,
    Limits,
    LogLine,
    Price,
    ProbeAnswer,
    Question,
    Readiness,
    Spend,
    Stopping,
    Workers,
)
from .patience import Stop, never


class Provider(Protocol):
    """One account at a provider. Each call may raise a GpuError; all that wait end by the granted patience."""

    capabilities: Capabilities

    def within(self, seconds: float, stop: Stop = never) -> Self:
        """The same provider, each of whose calls takes at most `seconds` and asks `stop` while it waits."""

    def create(self, spec: EndpointSpec, tag: str) -> Endpoint:
        """Create the endpoint of one release, once: asked again with the same tag it finds the one that is there.

        Raises QuotaFull, ProviderRefused, CreateUnknown, TwoOfOneName, EndpointDiffers.
        """

    def get(self, ref: str) -> Endpoint:
        """Raises EndpointGone."""

    def list_owned(self, prefix: str) -> list[Endpoint]:
        """Endpoints whose name begins with `prefix`."""

    def list_all(self) -> list[Endpoint]: ...

    def set_capacity(self, ref: str, minimum: int, maximum: int) -> Endpoint:
        """Change the numbers of workers and read them back. Raises QuotaFull, CapacityNotKept."""

    def workers(self, ref: str) -> Workers: ...

    def health(self, ref: str) -> Health: ...

    def readiness(self, ref: str, waited: float) -> Readiness:
        """What it does just now; `waited`: seconds since it was first asked for something."""

    def probe(self, ref: str, question: Question) -> ProbeAnswer:
        """Ask it for real. A failed job is an answer with `error`; raises UnknownModel, and for what never arrived.

        A job without an answer in time is cancelled, which may take some seconds beyond the patience.
        """

    def cancel(self, ref: str, job: str) -> None:
        """Cancelling what has ended or is gone is no error."""

    def purge(self, ref: str) -> int:
        """Throw away what waits in the queue; how many. What is being done goes on."""

    def logs(self, ref: str, worker: str, last_event_id: str = "") -> Iterator[LogLine]:
        """Lines as they come, in the image's own words and not masked.

        Ends when the provider ends it, is quiet for long, or patience does: ask again then, with the last line's id.
        """

    def price(self, spec: EndpointSpec) -> Price:
        """Raises PriceUnknown."""

    def limits(self) -> Limits: ...

    def spend(self, ref: str, since: datetime, until: datetime) -> Spend: ...

    def stop_spending(self, ref: str, jobs: tuple[str, ...] = ()) -> Stopping:
        """No workers any more: forbid them, empty the queue, cancel `jobs`, and watch until none is left.

        Every part is tried, whatever became of the one before. Raises nothing; what did not work is in the answer.
        The granted `stop` is not asked: who was told to stop is who needs this.
        """

    def delete(self, ref: str, *, with_jobs: bool = False) -> None:
        """For good. Raises NotDrained while it has jobs, unless `with_jobs`. What is gone already is no error."""
