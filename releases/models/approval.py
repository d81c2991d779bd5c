"""Ticks and consents, each bound to one plan digest."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import in_reader_language, one_of


class ChecklistItem(models.Model):
    """One pre-flight box of a deployment, ticked by a person or proved by a check, for one plan digest."""

    class Proof(models.TextChoices):
        """How the last check ended."""

        NONE = "none", _("not checked")
        RUNNING = "running", _("checking")
        PASSED = "passed", _("proved")
        FAILED = "failed", _("proof failed")

    deployment = models.ForeignKey("releases.Deployment", on_delete=models.CASCADE, related_name="checklist")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=60)
    title_ko = models.CharField(max_length=300)
    title_en = models.CharField(max_length=300)
    check_kind = models.CharField(max_length=40, blank=True, help_text="empty: a person ticks it")
    plan_digest = models.CharField(
        max_length=64, blank=True, help_text="digest it was ticked or proved for; empty: never"
    )
    ticked_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    ticked_at = models.DateTimeField(null=True)
    proof = models.CharField(max_length=20, choices=Proof, default=Proof.NONE)
    proof_began_at = models.DateTimeField(null=True)
    evidence = models.JSONField(default=list, help_text="lines: [{label, value}]")
    note = models.CharField(max_length=500, blank=True)
    voided_digest = models.CharField(max_length=64, blank=True, help_text="an earlier digest whose tick was voided")

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "key"], name="checklist_key_once"),
            one_of("proof", ["none", "running", "passed", "failed"], "checklist_proof_known"),
            models.CheckConstraint(
                condition=models.Q(ticked_at__isnull=True) | ~models.Q(plan_digest=""),
                name="checklist_tick_is_bound",
            ),
        ]

    def __str__(self) -> str:
        return self.title_en

    def title(self) -> str:
        """The title in the reader's language."""
        return in_reader_language(self.title_ko, self.title_en)


class Approval(models.Model):
    """A person's consent to one plan digest. Withdrawn ones stay as rows."""

    deployment = models.ForeignKey("releases.Deployment", on_delete=models.CASCADE, related_name="approvals")
    plan_digest = models.CharField(max_length=64)
    user = models.ForeignKey("releases.User", on_delete=models.PROTECT, related_name="approvals")
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "plan_digest", "user"],
                condition=models.Q(withdrawn_at__isnull=True),
                name="approval_once_per_digest",
            ),
            models.CheckConstraint(condition=~models.Q(plan_digest=""), name="approval_is_bound"),
        ]

    def __str__(self) -> str:
        return f"{self.user} approves {self.plan_digest[:12]}"
