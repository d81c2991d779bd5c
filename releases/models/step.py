"""Steps of a deployment and the tries made at each."""

import pgtrigger
from django.db import models

from releases import lifecycle
from releases.models.choices import OWNERS, Phase, Status, in_reader_language, one_of
from releases.models.history import append_only, frozen_once
from releases.models.text_index import text_indexes


class Step(models.Model):
    """One line of a plan, being executed. Its parameters stay in the plan, found by `key`."""

    deployment = models.ForeignKey("releases.Deployment", on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    number = models.CharField(max_length=10, help_text='what people call it: "5", "11-1"')
    key = models.CharField(max_length=60)
    title_ko = models.CharField(max_length=200)
    title_en = models.CharField(max_length=200)
    role = models.CharField(max_length=20, choices=OWNERS)
    phase = models.CharField(max_length=20, choices=Phase)
    action = models.CharField(max_length=40)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    estimate = models.PositiveIntegerField(help_text="seconds")
    opens_downtime = models.BooleanField(default=False)
    closes_downtime = models.BooleanField(default=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True, help_text="an automatic retry is due then")
    reason = models.CharField(max_length=500, blank=True, help_text="why skipped, failed or unknown")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "position"], name="step_position_once"),
            models.UniqueConstraint(fields=["deployment", "key"], name="step_key_once"),
            one_of("status", lifecycle.STEP, "step_status_known"),
        ]
        indexes = text_indexes("step", "reason", only=~models.Q(reason=""))

    def __str__(self) -> str:
        return f"{self.number}. {self.title_en}"

    def title(self) -> str:
        """The title in the reader's language."""
        return in_reader_language(self.title_ko, self.title_en)


class Attempt(models.Model):
    """One try of a step. A finished attempt is never changed or removed.

    `remote_id` names its folder on the machine it ran on; `source_offset` is how many raw log bytes of that
    machine are stored already, so that a new driver goes on from there.
    """

    step = models.ForeignKey(Step, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    remote_id = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=20, choices=Status, default=Status.DISPATCHING)
    host = models.ForeignKey("releases.Host", null=True, on_delete=models.SET_NULL, related_name="+")
    host_name = models.CharField(max_length=60, blank=True, help_text="as it was; empty for the controller")
    token = models.BigIntegerField(default=0, help_text="fencing token of the driver that made it")
    exit_code = models.IntegerField(null=True)
    reason = models.CharField(max_length=500, blank=True)
    evidence = models.JSONField(default=dict, help_text="what the action proved: sizes, digests, answers")
    progress = models.JSONField(null=True, help_text='{"done": bytes, "total": bytes} of a transfer')
    source_offset = models.PositiveBigIntegerField(default=0)
    log_size = models.PositiveBigIntegerField(default=0, help_text="stored bytes, after masking")
    log_lines = models.PositiveBigIntegerField(default=0)
    log_sha256 = models.CharField(max_length=64, blank=True, help_text="of the raw log; empty: of several drivers")
    last_seen_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    note = models.TextField(blank=True, help_text="what the person who decided wrote")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["step", "number"], name="attempt_number_once"),
            models.UniqueConstraint(
                fields=["step"],
                condition=~models.Q(status__in=sorted(lifecycle.ATTEMPT_FINISHED)),
                name="attempt_one_open",
            ),
            one_of("status", lifecycle.ATTEMPT, "attempt_status_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(lifecycle.ATTEMPT_FINISHED), finished_at__isnull=False)
                | (~models.Q(status__in=sorted(lifecycle.ATTEMPT_FINISHED)) & models.Q(finished_at__isnull=True)),
                name="attempt_finished_with_time",
            ),
        ]
        indexes = text_indexes("attempt", "note", "reason", only=~models.Q(note="", reason=""))
        triggers: list[pgtrigger.Trigger] = frozen_once("attempt", "finished_at")

    def __str__(self) -> str:
        return f"{self.step} attempt {self.number}"


class AttemptFile(models.Model):
    """A file that a person gave with a manual step."""

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text="bytes")
    data = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        triggers: list[pgtrigger.Trigger] = append_only("attempt_file")

    def __str__(self) -> str:
        return self.name


class LogChunk(models.Model):
    """A compressed piece of an attempt's log, masked before it came here.

    Offsets and sizes are bytes of the masked log; `source_end` is the raw offset on the machine after this piece.
    `first_line` is the number (from 1) of the line its first byte belongs to.
    """

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="chunks")
    offset = models.PositiveBigIntegerField()
    size = models.PositiveIntegerField()
    source_end = models.PositiveBigIntegerField()
    first_line = models.PositiveBigIntegerField()
    line_ends = models.PositiveIntegerField(help_text="newlines in this piece")
    received_at = models.DateTimeField()
    data = models.BinaryField(help_text="zstandard")

    class Meta:
        ordering = ["offset"]
        constraints = [models.UniqueConstraint(fields=["attempt", "offset"], name="log_chunk_offset_once")]
        triggers: list[pgtrigger.Trigger] = append_only("log_chunk")

    def __str__(self) -> str:
        return f"{self.attempt_id} @{self.offset}"
