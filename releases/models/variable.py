"""Environment variables, of which some are secret."""

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import one_of


class Variable(models.Model):
    """One named value of an environment. A secret one holds only ciphertext and is never shown again."""

    class Type(models.TextChoices):
        """How a value is checked."""

        STRING = "string", _("text")
        INTEGER = "integer", _("whole number")
        PATH = "path", _("path")
        HOST = "host", _("host name")
        URL = "url", _("URL")
        IDENTIFIER = "identifier", _("identifier")
        BOOLEAN = "boolean", _("yes or no")

    environment = models.ForeignKey("releases.Environment", on_delete=models.CASCADE, related_name="variables")
    name = models.CharField(
        _("name"),
        max_length=60,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*$", _("Use lower-case letters, digits and _, a letter first."))],
    )
    type = models.CharField(_("type"), max_length=20, choices=Type, default=Type.STRING)
    is_secret = models.BooleanField(_("secret"), default=False)
    value = models.TextField(_("value"), blank=True)
    ciphertext = models.BinaryField(default=bytes, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    updated_by = models.ForeignKey("releases.User", null=True, on_delete=models.SET_NULL, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "name"], name="variable_name_once"),
            one_of(
                "type",
                ["string", "integer", "path", "host", "url", "identifier", "boolean"],
                "variable_type_known",
            ),
            models.CheckConstraint(
                condition=models.Q(is_secret=False) | models.Q(value=""),
                name="variable_secret_has_no_plain_value",
            ),
        ]

    def __str__(self) -> str:
        return self.name
