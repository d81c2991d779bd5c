"""What the API takes and gives. Times are ISO 8601 in UTC, durations are seconds."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from ninja import Field, Schema

from releases import lifecycle
from releases.models import LookEnding

TEXT = r"^[^\x00]*$"  # PostgreSQL's texts hold no zero byte


class DeploymentIn(Schema):
    """A wish to deploy: `idempotency_key` makes a repeated request give the same deployment."""

    release: int
    environment: int
    idempotency_key: str = Field(min_length=8, max_length=64, pattern=TEXT)


class RollBackIn(Schema):
    """A wish to roll back. `first`: an earlier deployment, from which on all is undone. `service`: it alone."""

    idempotency_key: str = Field(min_length=8, max_length=64, pattern=TEXT)
    first: int | None = None
    service: str = Field(default="", max_length=40, pattern=TEXT)


class EmergencyIn(Schema):
    """A rollback that can't wait. Production asks for the environment's name."""

    reason: str = Field(min_length=1, max_length=500, pattern=TEXT)
    confirm_name: str = Field(default="", max_length=80, pattern=TEXT)


class Insists(Schema):
    """A text that looks like a secret is refused unless this says that it is none; that goes on record."""

    not_a_secret: bool = False


class DigestIn(Insists):
    """A consent to, or a start of, the plan with this digest."""

    digest: str = Field(min_length=64, max_length=64)
    note: str = Field(default="", max_length=500, pattern=TEXT)


class ReasonIn(Insists):
    """A decision with its reason."""

    reason: str = Field(default="", max_length=500, pattern=TEXT)


class AnswerIn(Insists):
    """How an unknown step ended: worked, failed, or again."""

    answer: str
    reason: str = Field(max_length=500, pattern=TEXT)


class ConfirmIn(Insists):
    """The answer to a manual step."""

    worked: bool
    note: str = Field(default="", max_length=2000, pattern=TEXT)


def _one_of(table: lifecycle.Transitions) -> Any:
    """A status from the life cycle's table, named in the API's description one by one."""
    return Field(
        description="unknown: nobody knows how it ended, it is neither a success nor a failure, and a person decides.",
        json_schema_extra={"enum": list(table)},
    )


class BlockerOut(Schema):
    """A reason why a deployment may not start. `state`: the status of what stands in the way, such as unknown."""

    code: str
    message: str
    detail: str
    mend: str
    target: int | None
    state: str


class AttemptOut(Schema):
    """One try of a step."""

    id: int
    number: int
    status: str = _one_of(lifecycle.ATTEMPT)
    host_name: str
    exit_code: int | None
    reason: str
    evidence: dict[str, Any]
    started_at: datetime | None
    finished_at: datetime | None
    log_size: int
    log_lines: int


class LookOut(Schema):
    """What the probe command of a step of unknown outcome showed, secrets masked. It decides nothing.

    `ending`: "" while it goes on, exited, timed_out, unreachable (the machine did not answer) or impossible; only
    exited has an `exit_code`, the others say why in `problem`. `is_cut`: it printed more than the 64 KB kept.
    """

    id: int
    asked_by: str
    asked_at: datetime
    began_at: datetime | None
    ended_at: datetime | None
    host_name: str
    ending: str = Field(json_schema_extra={"enum": ["", *LookEnding.values]})
    exit_code: int | None
    output: str
    is_cut: bool
    problem: str


class StepOut(Schema):
    """One step with its tries. `probe`: the lines of its probe command, if it has one; `look`: the last one made."""

    id: int
    key: str
    number: str
    title: str
    action: str
    status: str = _one_of(lifecycle.STEP)
    reason: str
    estimate: int
    started_at: datetime | None
    finished_at: datetime | None
    attempts: list[AttemptOut]
    probe: list[str]
    look: LookOut | None


class ItemOut(Schema):
    """One box of the checklist."""

    id: int
    key: str
    title: str
    check_kind: str
    proof: str
    ticked: bool
    note: str


class DowntimeOut(Schema):
    """Seconds: as planned, between the marks, and as probes measured it; requests lost at the stated traffic."""

    planned: int
    marked: float | None
    measured: float | None
    lost_requests: int | None


class DeploymentOut(Schema):
    """A deployment."""

    id: int
    release: str
    environment: str
    kind: str
    status: str = _one_of(lifecycle.DEPLOYMENT)
    version: int
    digest: str
    estimate: int
    requested_by: str
    started_by: str | None
    undoes: int | None
    undoes_first: int | None = None
    only_service: str | None = None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str


class DeploymentDetailOut(DeploymentOut):
    """A deployment with its parts."""

    blockers: list[BlockerOut]
    checklist: list[ItemOut]
    steps: list[StepOut]
    downtime: DowntimeOut
    backups: int
    audit_events: int


class ErrorOut(Schema):
    """Why a request was refused; `blockers` when the gate is shut."""

    message: str
    blockers: list[BlockerOut] = []


PROOF_FIELDS = ("occasion", "at", "passed", "was_cold", "first", "warm", "together", "at_once", "problem")


class GpuProofOut(Schema):
    """One time that an endpoint was asked. Times in seconds; `first` is a cold start where `was_cold`."""

    occasion: str
    at: datetime
    passed: bool
    was_cold: bool
    first: float | None
    warm: float | None
    together: float | None
    at_once: int
    problem: str


class GpuEndpointOut(Schema):
    """A GPU endpoint. Money is USD: `price` an hour for one worker, `cost` from workers seen, `billed` as billed."""

    id: int
    environment: str
    account: str
    provider: str
    release: str | None
    deployment: int | None
    previous: int | None
    ref: str
    name: str
    state: str = Field(json_schema_extra={"enum": list(lifecycle.GPU_ENDPOINT)})
    problem: str
    model: str
    image: str
    max_workers: int
    price: Decimal | None
    cost: Decimal
    billed: Decimal
    stopped_at: datetime | None
    retained_until: datetime | None
    watched_at: datetime | None
    created_at: datetime


class GpuEndpointDetailOut(GpuEndpointOut):
    """With what was last seen of its workers and queue, and its last proofs, newest first."""

    seen: dict[str, Any]
    proofs: list[GpuProofOut]
