"""Forms about risks: living with one for a time, whose it is, what checks look at on a host."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models import HostLooks, Risk, User
from releases.views.secret_fields import ScannedForm

UNIT: Final = re.compile(r"[A-Za-z0-9@._:-]{1,200}")
DEFAULT_DAYS: Final = 30
# Of each field the column it is kept in; `files` of a form is what was uploaded with it.
COLUMNS: Final = {"ports": "ports", "folders": "folders", "secret_files": "files", "units": "units"}


class AcceptForm(ScannedForm):
    """Until when, and why."""

    scanned = ("reason",)
    until = forms.DateField(
        label=gettext_lazy("Accepted until (the day included)"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=gettext_lazy("Then it is open again by itself. At most 365 days."),
    )
    reason = forms.CharField(label=gettext_lazy("Reason (goes on record)"), max_length=500)

    def __init__(self, *arguments: Any, risk: Risk, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._zone = ZoneInfo(risk.environment.zone) if risk.environment else timezone.get_current_timezone()
        self.initial["until"] = (timezone.now().astimezone(self._zone) + timedelta(days=DEFAULT_DAYS)).date()

    def end(self) -> datetime:
        """The end of the day that was chosen, where the environment is."""
        return datetime.combine(self.cleaned_data["until"] + timedelta(days=1), time(), self._zone)


class OwnerForm(forms.Form):
    """A member of the project, or nobody."""

    owner: Any = forms.ModelChoiceField(
        label=gettext_lazy("Owner"), queryset=User.objects.none(), required=False, empty_label=gettext_lazy("nobody")
    )

    def __init__(self, *arguments: Any, risk: Risk, **named: Any) -> None:
        super().__init__(*arguments, **named)
        members = User.objects.filter(memberships__project=risk.project_id, is_active=True)
        self.fields["owner"].queryset = members.order_by("display_name", "username")  # type: ignore[attr-defined]
        self.initial["owner"] = risk.owner_id


class _Lines(forms.CharField):
    """One value a line; each is checked."""

    def __init__(self, check: Callable[[str], Any], most: int, **named: Any) -> None:
        self._check, self._most = check, most
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": 3, "class": "mono"}), **named)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(str(one) for one in value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[Any]:  # type: ignore[override]
        words = list(dict.fromkeys(word for row in str(value or "").splitlines() if (word := row.strip())))
        if len(words) > self._most:
            raise ValidationError(_("Give at most %s, one a line.") % self._most)
        return [self._check(word) for word in words]

    def validate(self, value: Any) -> None:
        """Each line was checked already."""

    def run_validators(self, value: Any) -> None:
        """The validators of a text do not fit a list."""


def _port(word: str) -> int:
    if not (word.isascii() and word.isdecimal() and 0 < int(word[:6]) < 65536):
        raise ValidationError(_("%s is no port; give a number from 1 to 65535.") % word[:40])
    return int(word)


def _path(word: str) -> str:
    if not word.startswith("/") or len(word) > 500 or not word.isprintable():
        raise ValidationError(_("%s is no whole path; begin it with /.") % word[:80])
    return word


def _unit(word: str) -> str:
    if not UNIT.fullmatch(word) or word.startswith("-"):
        raise ValidationError(_("%s is no name of a systemd unit, such as spring-boot.") % word[:80])
    return word


class LooksForm(forms.Form):
    """What checks look at on a host."""

    ports = _Lines(_port, 10, label=gettext_lazy("Database ports"), help_text=gettext_lazy("One a line."))
    folders = _Lines(
        _path,
        10,
        label=gettext_lazy("Folders in which .env files are searched"),
        help_text=gettext_lazy("Whole paths, one a line; five levels deep, on the same disk."),
    )
    secret_files = _Lines(
        _path,
        20,
        label=gettext_lazy("Further files with secrets"),
        help_text=gettext_lazy("Whole paths, one a line. Only their rights are looked at, never what is in them."),
    )
    units = _Lines(
        _unit, 20, label=gettext_lazy("systemd units"), help_text=gettext_lazy("One a line, such as spring-boot.")
    )

    def __init__(self, *arguments: Any, looks: HostLooks, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.initial = {name: getattr(looks, column) for name, column in COLUMNS.items()}

    def clean(self) -> dict[str, Any]:
        """A search needs somewhere to begin."""
        values = super().clean() or {}
        if "folders" in values and not values["folders"]:
            self.add_error("folders", _("Give at least one folder."))
        return values

    def looks(self) -> Mapping[str, Any]:
        """As rows keep it."""
        return {column: self.cleaned_data[name] for name, column in COLUMNS.items()}
