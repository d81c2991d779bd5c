"""Forms of announcements that people write."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.engine import announcements
from releases.engine.announcements import Wish
from releases.models import Announcement, Environment, Service
from releases.notices import wording
from releases.notices.shipped import Words
from releases.runbooks.placeholders import PlaceholderError
from releases.views.grouped_forms import Group
from releases.views.secret_fields import TICK, ScannedForm

TEXTS: Final = ("title_ko", "title_en", "body_ko", "body_en")
KINDS: Final = (Announcement.Kind.MAINTENANCE, Announcement.Kind.INCIDENT)
GROUPS: Final = (
    Group(gettext_lazy("Where it stands"), ("state", "starts_at", "ends_at", "services")),
    Group(
        gettext_lazy("In Korean"),
        ("title_ko", "body_ko"),
        gettext_lazy("Markdown; `{placeholders}` are filled in when it is saved."),
    ),
    Group(gettext_lazy("In English"), ("title_en", "body_en")),
    Group(gettext_lazy("Telling"), ("tell",)),
    Group(gettext_lazy("Not a secret"), (TICK,)),
)


class MarkdownField(forms.CharField):
    """A text in Markdown whose placeholders are known. Lines end as on every system of ours."""

    def __init__(self, **named: Any) -> None:
        named.setdefault("widget", forms.Textarea(attrs={"rows": 5}))
        super().__init__(**named)

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            wording.check(text)
        except PlaceholderError as error:
            raise forms.ValidationError(f"{error.message} {_mend(error)}") from error
        return text


def _mend(error: PlaceholderError) -> str:
    known = ", ".join(f"{{{name}}}" for name in sorted(wording.PLACEHOLDERS))
    return _("Use one of: %(known)s. To keep the braces, write { %(name)s }.") % {"known": known, "name": error.name}


def title_field(label: Any) -> MarkdownField:
    """One line."""
    return MarkdownField(label=label, max_length=150, widget=forms.TextInput())


def _moment(label: Any, help_text: Any = "") -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=label, required=False, widget=widget, help_text=help_text)


class ChooseForm(forms.Form):
    """Where, and of which kind."""

    environment = forms.ModelChoiceField(label=gettext_lazy("Environment"), queryset=Environment.objects.none())
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=[(kind.value, kind.label) for kind in KINDS])


class NoticeForm(ScannedForm):
    """An announcement: where it stands, when, whom it concerns, its words. Times are of the environment's zone."""

    scanned = TEXTS

    state = forms.ChoiceField(label=gettext_lazy("State"))
    starts_at = _moment(gettext_lazy("Planned beginning"))
    ends_at = _moment(gettext_lazy("Planned end"))
    services = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Services concerned"),
        queryset=Service.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None: all of them."),
    )
    title_ko = title_field(gettext_lazy("Title in Korean"))
    body_ko = MarkdownField(label=gettext_lazy("Text in Korean"), required=False)
    title_en = title_field(gettext_lazy("Title in English"))
    body_en = MarkdownField(label=gettext_lazy("Text in English"), required=False)
    tell = forms.BooleanField(
        label=gettext_lazy("Tell everybody again"),
        required=False,
        help_text=gettext_lazy("A new state or another time is told in any case."),
    )

    def __init__(self, row: Announcement, states: list[str], *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.row = row
        self.fields["state"].choices = [(state, Announcement.State(state).label) for state in states]  # type: ignore[attr-defined]
        self.fields["services"].queryset = row.environment.project.services.all()  # type: ignore[attr-defined]
        zone = _("In the time zone of the environment: %s.") % row.environment.zone
        self.fields["starts_at"].help_text = self.fields["ends_at"].help_text = zone
        if row.pk is None:
            del self.fields["tell"]
        elif announcements.is_driven(row):
            for name in ("state", "starts_at", "ends_at"):
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        """The end comes after the beginning; what is to come has a beginning."""
        values = super().clean() or {}
        begin, end = values.get("starts_at"), values.get("ends_at")
        if begin and end and end <= begin:
            self.add_error("ends_at", _("Choose a moment after the beginning."))
        scheduled = values.get("state") == Announcement.State.SCHEDULED
        if "starts_at" in self.fields and scheduled and not begin and "starts_at" not in self.errors:
            self.add_error("starts_at", _("Say when it is planned to begin, or choose another state."))
        return values

    def wish(self) -> Wish:
        """What the person wants, once the form is valid."""
        given = self.cleaned_data
        return Wish(
            state=given.get("state", self.row.state),
            words=Words(given["title_ko"], given["title_en"], given["body_ko"], given["body_en"]),
            starts_at=_same_minute(given.get("starts_at"), self.row.starts_at, "starts_at" in self.fields),
            ends_at=_same_minute(given.get("ends_at"), self.row.ends_at, "ends_at" in self.fields),
            services=tuple(given["services"]),
            insisted=tuple(self.insisted()),
        )


def _same_minute(given: datetime | None, now: datetime | None, asked: bool) -> datetime | None:
    """What a form shows to the minute stays what it is to the second, unless the minute was changed."""
    if not asked or (given and now and timedelta() <= now - given < timedelta(minutes=1)):
        return now
    return given
