"""Forms of the rows that belong to an environment."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases import secrets
from releases.models import DeployWindow, Environment, Probe, Variable
from releases.risks.secrets_scanner import Found
from releases.runbooks.model import VariableSpec
from releases.runbooks.variables import BUILTIN_NAMES, problem
from releases.views.secret_fields import scan_fields


class VariableForm(forms.ModelForm[Variable]):
    """A value, or a secret that is never shown again. Setting a name that exists replaces its value."""

    insisted: list[Found] | None = None

    # Not a field of the row: a secret is sealed before the row may hold it.
    value = forms.CharField(
        label=gettext_lazy("value"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("A secret needs at least 8 characters and is never shown again."),
    )

    class Meta:
        model = Variable
        fields = ("name", "type", "is_secret")
        help_texts = {"name": gettext_lazy("Steps use it as {name}; a secret as {name_file}, the path of a file.")}

    def clean_name(self) -> str:
        """Names that Cloud Wiki fills in itself can't be set."""
        name: str = self.cleaned_data["name"]
        if name in BUILTIN_NAMES:
            raise ValidationError(_("Cloud Wiki fills in %s itself; choose another name.") % name)
        return name

    def clean(self) -> dict[str, Any]:
        """The value fits its type; a secret is long enough to be masked."""
        values = super().clean() or {}
        value = values.get("value") or ""
        if values.get("is_secret"):
            # A refused secret must not come back in the page.
            self.data = {name: self.data[name] for name in self.data if name != self.add_prefix("value")}
        if not value:
            self.add_error("value", _("Give a value."))
        elif values.get("is_secret"):
            try:
                secrets.check_secret(value)
            except ValidationError as error:
                self.add_error("value", error)
        elif "name" in values and "type" in values:
            found = problem(VariableSpec(values["name"], values["type"]), value)
            if found is not None:
                self.add_error("value", " ".join(str(part) for part in found))
        if value and not values.get("is_secret"):
            self.insisted = scan_fields(self, {"value": f"{values.get('name', '')}={value}"})
        return values


class WindowForm(forms.ModelForm[DeployWindow]):
    """A weekly time for deployments."""

    class Meta:
        model = DeployWindow
        fields = ("weekday", "opens", "closes")
        widgets = {
            "opens": forms.TimeInput(attrs={"type": "time"}),
            "closes": forms.TimeInput(attrs={"type": "time"}),
        }

    def clean(self) -> dict[str, Any]:
        """A window closes after it opens."""
        values = super().clean() or {}
        if values.get("opens") and values.get("closes") and values["closes"] <= values["opens"]:
            self.add_error("closes", _("Give a time after the opening."))
        return values


class ProbeForm(forms.ModelForm[Probe]):
    """How to ask whether a service is up."""

    class Meta:
        model = Probe
        fields = ("service", "url", "host", "expected_status", "expected_text", "timeout", "enabled")
        labels = {"service": gettext_lazy("Service"), "host": gettext_lazy("Host")}
        help_texts = {
            "host": gettext_lazy("Choose the host for an address such as http://localhost:8080/health."),
        }

    def __init__(self, *args: Any, environment: Environment, **named: Any) -> None:
        super().__init__(*args, **named)
        self.fields["service"].queryset = environment.project.services.all()  # type: ignore[attr-defined]
        self.fields["host"].queryset = environment.hosts.all()  # type: ignore[attr-defined]
