"""Forms of rows that several people change: what one saves is not lost to another's stale tab."""

import hashlib
from typing import Any

from django import forms
from django.db.models import Model
from django.utils.translation import gettext as _


class _Seen(forms.CharField):
    """Travels with the form and is no part of its row."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class CarefulForm[M: Model](forms.ModelForm[M]):
    """A form that knows what its row held when the page was opened, and refuses to overwrite anything newer."""

    seen = _Seen(required=False, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        held = sorted((name, str(value)) for name, value in self.initial.items())
        self.initial["seen"] = hashlib.sha256(repr(held).encode()).hexdigest() if self.instance.pk else ""

    def clean(self) -> dict[str, Any]:
        """A stale tab is refused; its texts stay in the form."""
        values = super().clean() or {}
        if values.get("seen") and values["seen"] != self.initial["seen"]:
            message = _("This was changed meanwhile. Open the page again and make your change to what is there now.")
            self.add_error(None, message)
        return values
