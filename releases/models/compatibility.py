"""Which releases of two services work together."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Compatibility(models.Model):
    """What is known of one service at one release beside another at another; no row: nothing is.

    The pair is kept once: the service with the lower number is the first.
    """

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="compatibilities")
    first_service = models.ForeignKey("releases.Service", on_delete=models.CASCADE, related_name="+")
    first_release = models.ForeignKey("releases.Release", on_delete=models.CASCADE, related_name="+")
    second_service = models.ForeignKey("releases.Service", on_delete=models.CASCADE, related_name="+")
    second_release = models.ForeignKey("releases.Release", on_delete=models.CASCADE, related_name="+")
    works = models.BooleanField(_("they work together"))
    reason = models.CharField(_("reason"), max_length=300, blank=True)
    deployment = models.ForeignKey(
        "releases.Deployment", null=True, on_delete=models.PROTECT, related_name="+", help_text="after which they ran"
    )
    decided_by = models.ForeignKey(
        "releases.User", null=True, on_delete=models.PROTECT, related_name="+", help_text="null: seen to run together"
    )
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["-decided_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["first_service", "first_release", "second_service", "second_release"],
                name="compatibility_pair_once",
            ),
            models.CheckConstraint(
                condition=models.Q(first_service__lt=models.F("second_service")), name="compatibility_services_ordered"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_service} {self.first_release} + {self.second_service} {self.second_release}"
