"""Forms of GPU accounts. The API key goes one way: it is sealed, never shown again, and goes nowhere else."""

import re
from typing import Any, Final
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases import secrets
from releases.gpu.errors import AddressUntrusted
from releases.gpu.http import safe_address
from releases.models import Environment, GpuAccount, Project
from releases.views.careful_forms import CarefulForm
from releases.views.grouped_forms import Group

ADDRESSES: Final = ("control_url", "data_url")
_KEY: Final = re.compile(r"[!-~]+")

GROUPS: Final = (
    Group(
        gettext_lazy("Account"),
        ("project", "name", "provider"),
        gettext_lazy(
            "RunPod Serverless starts and ends workers as they are needed. An own server runs on a host of yours and is"
            " only asked; its runbook starts and stops it."
        ),
    ),
    Group(
        gettext_lazy("Where it is"),
        ("model", "data_url", "control_url", "plain_http"),
        gettext_lazy("RunPod's own addresses are known: leave them empty, unless a gateway of yours stands before it."),
    ),
    Group(gettext_lazy("Limits"), ("worker_quota",), css="cloud"),
    Group(
        gettext_lazy("API key"),
        ("key",),
        gettext_lazy(
            "RunPod needs one that may manage serverless endpoints; an own server only if it asks for one. It is stored"
            " encrypted and never shown again. Use one of its own for Cloud Wiki, so that it can be replaced alone."
        ),
    ),
)


class KeyField(forms.CharField):
    """The box of a key. It is sent back empty, whatever became of the form."""

    def __init__(self, **named: Any) -> None:
        box = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"})
        super().__init__(label=gettext_lazy("API key"), strip=True, max_length=500, widget=box, **named)

    def validate(self, value: str) -> None:
        """Long enough to be masked, and of characters that a header can hold."""
        super().validate(value)
        if not value:
            return
        secrets.check_secret(value)
        if not _KEY.fullmatch(value):
            raise ValidationError(_("A key has no spaces, line breaks or letters with accents. Copy it again."))


class KeyForm(forms.Form):
    """Another key for an account that exists."""

    key = KeyField(help_text=gettext_lazy("It takes the place of the one before at once."))

    def __init__(self, account: GpuAccount, *arguments: Any, **named: Any) -> None:
        self._account = account
        super().__init__(*arguments, **named)

    def clean(self) -> dict[str, Any]:
        """It must not travel readable."""
        values = super().clean() or {}
        _forget_key(self)
        for address in (getattr(self._account, name) for name in ADDRESSES):
            if address and _travels_readable(address, self._account.plain_http):
                self.add_error("key", _("The account's address is unencrypted. Change that first, or allow it there."))
        return values


class AdoptForm(forms.Form):
    """Which endpoint goes to which environment."""

    ref = forms.CharField(max_length=100)
    environment = forms.ModelChoiceField(queryset=Environment.objects.none())

    def __init__(self, project: Project, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["environment"].queryset = project.environments.all()  # type: ignore[attr-defined]


class AccountForm(CarefulForm[GpuAccount]):
    """An account. One that has a key asks for it again when it would go elsewhere than it was entered for."""

    key = KeyField(error_messages={"required": gettext_lazy("RunPod needs an API key. Make one in its console.")})

    class Meta:
        model = GpuAccount
        fields = ("project", "name", "provider", "model", "data_url", "control_url", "plain_http", "worker_quota")
        labels = {"project": gettext_lazy("Project")}
        help_texts = {
            "data_url": gettext_lazy(
                "Of an own server: where it answers, such as http://10.0.0.7:8000. Of RunPod empty: https://api.runpod.ai."
            ),
            "control_url": gettext_lazy("Empty: https://api.runpod.io."),
            "plain_http": gettext_lazy("Only within a network of your own: whoever listens there reads the key."),
            "model": gettext_lazy("As it was started with: its --served-model-name, else --model."),
            "worker_quota": gettext_lazy(
                "RunPod shows it in its console and tells it nowhere else: 5 at first, more with a higher balance."
                " With it, a deployment that would not fit is refused before it costs anything."
            ),
        }
        error_messages = {
            NON_FIELD_ERRORS: {
                "unique_together": gettext_lazy("This project has a GPU account with this name already.")
            }
        }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        own = self.data.get("provider", self.instance.provider) == GpuAccount.Provider.SELF_HOSTED
        self.fields["model"].required = self.fields["data_url"].required = own
        self.fields["key"].required = not (own or self.instance.has_key)
        if self.instance.pk:
            del self.fields["project"], self.fields["provider"]
            self.fields["key"].help_text = _(
                "Empty: the key stays. Another address needs it again, since a key goes nowhere but where it was"
                " entered for."
            )

    def _get_validation_exclusions(self) -> set[str]:
        """A name is unique within the project, also where that is no field of the form."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"project"} if self.instance.pk else excluded

    def clean(self) -> dict[str, Any]:
        """What the provider needs is there, and no key goes where it must not."""
        values = super().clean() or {}
        had_key = bool(values.get("key"))
        _forget_key(self)
        own = values.get("provider", self.instance.provider) == GpuAccount.Provider.SELF_HOSTED
        values |= {"control_url": "", "worker_quota": None} if own else {"model": ""}
        sends_key = had_key or self.instance.has_key
        for name in ADDRESSES:
            if values.get(name):
                self._require_address(name, values[name], bool(values.get("plain_http")) or (own and not sends_key))
        self._require_key(values)
        if own and self.instance.pk and "name" in self.changed_data and self.instance.endpoints.living().exists():
            self.add_error("name", _("Its endpoint is known by this name. Retire that first, or keep the name."))
        return values

    def _require_address(self, name: str, address: str, plain: bool) -> None:
        if not _is_address(address):
            self.add_error(
                name, _("Give an address such as https://gpu.example.com, without a password or a question.")
            )
        elif _travels_readable(address, plain):
            sentence = _("The key would travel unencrypted: use https://, or allow it below for a network of your own.")
            self.add_error(name, sentence)

    def _require_key(self, values: dict[str, Any]) -> None:
        entered = values.get("key") or "key" in self.errors
        if self.instance.has_key and not entered and set(ADDRESSES) & set(self.changed_data):
            self.add_error("key", _("The address changes: enter the key again, so that it goes there by your will."))


def _forget_key(form: forms.BaseForm) -> None:
    """A key must not come back in the page, not even when the form is refused."""
    form.data = {name: form.data[name] for name in form.data if name != form.add_prefix("key")}


def _is_address(address: str) -> bool:
    """It is one of a web service, and holds no password and nothing behind its path."""
    try:
        parts = urlsplit(safe_address(address, plain=True))
        _port = parts.port  # raises ValueError where it is no number
    except (AddressUntrusted, ValueError):
        return False
    return not (parts.username or parts.password or parts.query or parts.fragment) and not re.search(r"\s", address)


def _travels_readable(address: str, plain: bool) -> bool:
    try:
        safe_address(address, plain)
    except AddressUntrusted:
        return True
    return False
