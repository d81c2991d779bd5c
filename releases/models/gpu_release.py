"""What a release ships to graphics cards."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of

CUDA = RegexValidator(r"^\d{1,2}\.\d{1,2}$", _("Give a version such as 13.0, or nothing for any."))


class GpuSpec(models.Model):
    """The GPU part of a release: the image and the model, how they run, on which cards. Holds no secret."""

    class Method(models.TextChoices):
        """The ways of the written procedure, and a server of one's own."""

        VLLM = "vllm", _("vLLM worker")
        HANDLER = "handler", _("Custom handler (own image)")
        SELF_HOSTED = "self_hosted", _("Own server")

    class Scaling(models.TextChoices):
        """When another worker starts."""

        QUEUE_DELAY = "QUEUE_DELAY", _("a request waited (seconds)")
        REQUEST_COUNT = "REQUEST_COUNT", _("requests for each worker")

    class FlashBoot(models.TextChoices):
        """The provider's fast start."""

        OFF = "OFF", _("off")
        ON = "FLASHBOOT", _("on")
        PRIORITY = "PRIORITY_FLASHBOOT", _("with priority")

    release = models.OneToOneField("releases.Release", on_delete=models.CASCADE, related_name="gpu")
    method = models.CharField(_("method"), max_length=20, choices=Method, default=Method.VLLM)
    image = models.CharField(_("image"), max_length=300, blank=True)
    model = models.CharField(_("model"), max_length=200)
    served_name = models.CharField(_("name under which it is asked for"), max_length=200, blank=True)
    revision = models.CharField(_("revision of the model"), max_length=100, blank=True)
    max_model_len = models.PositiveIntegerField("MAX_MODEL_LEN", null=True, blank=True, default=8192)
    gpu_memory_utilization = models.DecimalField(
        "GPU_MEMORY_UTILIZATION",
        max_digits=3,
        decimal_places=2,
        null=True,
        blank=True,
        default=Decimal("0.90"),
        validators=[MinValueValidator(Decimal("0.05")), MaxValueValidator(Decimal(1))],
    )
    pools = models.JSONField(_("pools of cards"), default=list, blank=True)
    excluded_types = models.JSONField(_("cards of these that must not be used"), default=list, blank=True)
    min_cuda = models.CharField(_("CUDA at least"), max_length=10, blank=True, default="13.0", validators=[CUDA])
    gpu_count = models.PositiveSmallIntegerField(_("cards a worker"), default=1, validators=[MinValueValidator(1)])
    disk_gb = models.PositiveSmallIntegerField(_("disk (GB)"), default=60, validators=[MinValueValidator(1)])
    min_workers = models.PositiveSmallIntegerField(_("workers at least"), default=0)
    max_workers = models.PositiveSmallIntegerField(_("workers at most"), default=2)
    idle_timeout = models.PositiveSmallIntegerField(_("idle for (seconds)"), default=30)
    execution_timeout = models.PositiveIntegerField(_("a request may take (seconds)"), default=300)
    init_timeout = models.PositiveIntegerField(_("a start may take (seconds)"), default=800)
    scaling = models.CharField(_("another worker when"), max_length=20, choices=Scaling, default=Scaling.QUEUE_DELAY)
    scaling_value = models.DecimalField(_("at"), max_digits=7, decimal_places=1, default=Decimal(4))
    flashboot = models.CharField("FlashBoot", max_length=20, choices=FlashBoot, default=FlashBoot.ON)
    env = models.JSONField(_("more variables"), default=dict, blank=True)
    secret_env = models.JSONField(
        _("secret variables"), default=dict, blank=True, help_text="name of the variable -> secret of the environment"
    )

    class Meta:
        constraints = [
            one_of("method", ["vllm", "handler", "self_hosted"], "gpu_spec_method_known"),
            one_of("scaling", ["QUEUE_DELAY", "REQUEST_COUNT"], "gpu_spec_scaling_known"),
            one_of("flashboot", ["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"], "gpu_spec_flashboot_known"),
        ]

    def __str__(self) -> str:
        return self.model

    @property
    def asked_for(self) -> str:
        """The model's name in requests: one stable name, so that switching endpoints changes nothing for clients."""
        return self.served_name or self.model
