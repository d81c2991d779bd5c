"""An account at a provider of graphics cards, and what an environment allows its endpoints to be and to cost."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of


class GpuAccount(models.Model):
    """An account, with its key as ciphertext: it is never shown again. Of an own server: its address and model."""

    class Provider(models.TextChoices):
        """Who runs the cards."""

        RUNPOD = "runpod", _("RunPod Serverless")
        SELF_HOSTED = "self_hosted", _("Own server that speaks OpenAI's language (vLLM)")

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="gpu_accounts")
    name = models.CharField(_("name"), max_length=80)
    provider = models.CharField(_("provider"), max_length=20, choices=Provider, default=Provider.RUNPOD)
    control_url = models.CharField(_("address of the interface"), max_length=300, blank=True)
    data_url = models.CharField(_("address of the endpoints"), max_length=300, blank=True)
    plain_http = models.BooleanField(_("may be reached without encryption"), default=False)
    model = models.CharField(_("model that the server serves"), max_length=200, blank=True)
    worker_quota = models.PositiveSmallIntegerField(_("workers that the account may have"), null=True, blank=True)
    ciphertext = models.BinaryField(default=bytes, editable=False)
    key_version = models.PositiveIntegerField(default=0, editable=False, help_text="grows with every new key; 0: none")
    key_set_at = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False, help_text="when it was last asked for anything")
    problem = models.CharField(max_length=500, blank=True, editable=False, help_text="what was wrong then")
    strangers = models.JSONField(
        default=list, editable=False, help_text="endpoints seen there that are not ours: id, name, workers, image"
    )
    allotted = models.PositiveIntegerField(null=True, editable=False, help_text="workers of all endpoints together")
    updated_by = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="gpu_account_name_once"),
            one_of("provider", ["runpod", "self_hosted"], "gpu_account_provider_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_key(self) -> bool:
        """Whether a key was entered; an own server may need none."""
        return bool(self.ciphertext)


def _usd(label: object) -> models.DecimalField:  # type: ignore[type-arg]
    return models.DecimalField(
        label,  # type: ignore[arg-type]
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )


class GpuSettings(models.Model):
    """Of one environment: which account and runbooks its endpoints use, and what they may be and cost."""

    environment = models.OneToOneField("releases.Environment", on_delete=models.CASCADE, related_name="gpu")
    account = models.ForeignKey(GpuAccount, null=True, blank=True, on_delete=models.PROTECT, related_name="settings")
    worker_runbook = models.ForeignKey(
        "releases.Runbook", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    handler_runbook = models.ForeignKey(
        "releases.Runbook", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    rollback_runbook = models.ForeignKey(
        "releases.Runbook", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    name_prefix = models.SlugField(_("names of endpoints begin with"), max_length=60, blank=True)
    max_workers = models.PositiveSmallIntegerField(_("workers at most"), default=2, validators=[MinValueValidator(1)])
    idle_timeout = models.PositiveSmallIntegerField(
        _("idle for at most (seconds)"), default=60, validators=[MinValueValidator(1), MaxValueValidator(3600)]
    )
    execution_timeout = models.PositiveIntegerField(
        _("a request may take at most (seconds)"), default=600, validators=[MinValueValidator(1)]
    )
    pools = models.JSONField(_("pools of cards allowed"), default=list, blank=True, help_text="empty: any")
    allow_always_on = models.BooleanField(_("workers may run day and night"), default=False)
    budget_deployment = _usd(_("budget of a deployment (USD)"))
    budget_day = _usd(_("budget of a day (USD)"))
    budget_month = _usd(_("budget of a month (USD)"))
    retained_days = models.PositiveSmallIntegerField(
        _("an old endpoint is kept for (days)"), default=14, validators=[MinValueValidator(1), MaxValueValidator(365)]
    )

    checked_on = models.DateField(
        null=True, editable=False, help_text="the day, in its zone, whose daily check of retained endpoints was made"
    )

    def __str__(self) -> str:
        return f"GPU {self.environment}"

    @property
    def prefix(self) -> str:
        """What the names of its endpoints begin with."""
        return self.name_prefix or f"{self.environment.project.slug}-{self.environment.key}"
