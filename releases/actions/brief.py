"""A short command on a machine whose output is kept in memory: under the step wrapper, with a time limit there."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from releases.actions.base import Script
from releases.logs.masking import StreamMasker
from releases.remote.steps import StepClient, StepScript, StepStatus

GRACE = 2  # seconds between TERM and KILL when the time is over


@dataclass(frozen=True)
class Answer:
    """How it ended and what it printed, secrets masked. `is_cut`: it printed more than was to be kept.

    `digest`: SHA-256 of all that it printed, hexadecimal.
    """

    status: StepStatus
    printed: bytes
    is_cut: bool
    digest: str


def run(
    client: StepClient,
    name: str,
    script: Script,
    opened: Mapping[str, str],
    *,
    seconds: int,
    cap: int,
    stop: Callable[[], bool] = lambda: False,
    forgets: bool = True,
) -> Answer:
    """Run the script once under `name` and remove its folder; asked again with the same name, it is only followed.

    Not `forgets`: the folder stays for the next who asks, until `forget`.

    `opened`: the environment's secrets, of which the script gets those that it names; all are masked in the first
    `cap` bytes, which are kept. Raises RemoteError; KeyError for a secret that is not there.
    """
    printed = _Printed(opened.values(), cap)
    step = StepScript(
        attempt=name,
        text=script.text.encode(),
        parameters=script.parameters,
        secrets={secret: opened[secret] for secret in script.secrets},
        lock="brief",
        token=0,
        timeout=seconds,
        silence_timeout=None,
        grace=GRACE,
        log_cap=cap,
    )
    status = client.launch_and_follow(step, 0, printed, stop)
    answer = Answer(status, printed.end(), printed.seen > cap, printed.digest.hexdigest())
    if forgets:
        forget(client, name, answer)
    return answer


def forget(client: StepClient, name: str, answer: Answer) -> None:
    """Remove the folder of a script that has ended. Raises RemoteError."""
    if answer.status.state in {"finished", "unknown"}:
        client.remove(name, answer.digest)


class _Printed:
    """The beginning of what is printed, secrets masked, and the digest of all of it."""

    def __init__(self, secrets: Iterable[str], cap: int) -> None:
        self.digest, self.seen = hashlib.sha256(), 0
        self._masker, self._kept, self._cap = StreamMasker(secrets), bytearray(), cap

    def __call__(self, data: bytes) -> None:
        self.digest.update(data)
        self._kept += self._masker.feed(data[: max(self._cap - self.seen, 0)])
        self.seen += len(data)

    def end(self) -> bytes:
        """What is kept. Where it was cut, what the masker holds back may be a part of a secret: it is left out."""
        if self.seen <= self._cap:
            self._kept += self._masker.flush()
        return bytes(self._kept[: self._cap])
