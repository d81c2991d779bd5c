"""Machines reached by SSH."""

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

ADDRESS = RegexValidator(r"^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$", _("Use a host name or an IP address."))
LOGIN = RegexValidator(r"^[a-z_][a-z0-9_-]*[$]?$", _("Use a login name such as deploy."))


class Host(models.Model):
    """One machine of an environment. Nothing is sent to it until its host key is pinned."""

    environment = models.ForeignKey("releases.Environment", on_delete=models.CASCADE, related_name="hosts")
    name = models.SlugField(_("name"), max_length=60)
    role = models.SlugField(_("role"), max_length=40, default="app", help_text=_("Steps name the role they run on."))
    address = models.CharField(_("address"), max_length=253, validators=[ADDRESS])
    port = models.PositiveIntegerField(
        _("port"), default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    user = models.CharField(_("login"), max_length=60, validators=[LOGIN])
    host_key = models.TextField(_("pinned host key"), blank=True, editable=False)
    fingerprint = models.CharField(_("fingerprint"), max_length=100, blank=True, editable=False)
    pinned_by = models.ForeignKey(
        "releases.User", null=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    pinned_at = models.DateTimeField(null=True, editable=False)
    last_checked_at = models.DateTimeField(null=True, editable=False)
    last_check_ok = models.BooleanField(null=True, editable=False)
    last_check_detail = models.CharField(max_length=500, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["environment", "name"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "name"], name="host_name_once"),
            models.UniqueConstraint(fields=["environment", "role"], name="host_role_once"),
            models.CheckConstraint(condition=models.Q(port__range=(1, 65535)), name="host_port_range"),
        ]

    def __str__(self) -> str:
        return self.name
