"""What the insights pages look at: an environment and a period, from the address of the page."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases import permissions
from releases.engine import clock
from releases.insights.scope import Scope
from releases.models import Environment, User
from releases.permissions import signed_in

PERIODS: Final = ("30", "90", "365")
OWN: Final = "own"
DAYS: Final = 90  # where nothing is chosen
EARLIEST: Final = date(2000, 1, 1)


class EnvironmentField(forms.ModelChoiceField[Environment]):
    """Environments with the project they belong to."""

    def label_from_instance(self, obj: Environment) -> str:
        return f"{obj.project} · {obj}"


class ScopeForm(forms.Form):
    """Where and when."""

    environment = EnvironmentField(
        label=gettext_lazy("Environment"), queryset=Environment.objects.none(), required=False, empty_label=None
    )
    period = forms.ChoiceField(
        label=gettext_lazy("Period"),
        required=False,
        choices=[
            ("30", gettext_lazy("30 days")),
            ("90", gettext_lazy("90 days")),
            ("365", gettext_lazy("365 days")),
            (OWN, gettext_lazy("from – to")),
        ],
    )
    since = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=gettext_lazy("To"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        required=False,
        choices=[("software", gettext_lazy("Software")), ("gpu", gettext_lazy("GPU endpoints"))],
    )

    def __init__(self, user: User, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        rows = permissions.visible(Environment, user).select_related("project")
        rows = rows.order_by("-is_production", "project__name", "position", "pk")
        self.fields["environment"].queryset = rows  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """A period of one's own has two days, in their order."""
        values = super().clean() or {}
        since, until = values.get("since"), values.get("until")
        if since or until:  # whoever gives days wants them, whatever the list still says
            values["period"] = OWN
        if values.get("period") != OWN or self.errors:
            return values
        for name in ("since", "until"):
            if not values.get(name):
                self.add_error(name, _("Give both days, or choose a number of days."))
            elif not EARLIEST <= values[name] <= date(9998, 1, 1):
                self.add_error(name, _("Choose a day from 2000 on."))
        if since and until and since > until:
            self.add_error("until", _("Choose a day that is not before the first one."))
        return values


@dataclass(frozen=True)
class Looked:
    """What a page looks at. `scope` is None where there is no environment, or the form has errors."""

    form: ScopeForm
    scope: Scope | None
    query: str = ""  # the same for another page's address

    @property
    def last_day(self) -> datetime | None:
        """A moment in the last day of the period."""
        return self.scope.until - timedelta(seconds=1) if self.scope else None


def looked_at(request: HttpRequest) -> Looked:
    """What the address of the page asks for; two queries."""
    user = signed_in(request)
    given = request.GET.dict()
    form = ScopeForm(user, {"period": str(DAYS), "kind": "software"} | given)
    if not form.is_valid():
        return Looked(form, None)
    values = form.cleaned_data
    environment = values["environment"] or form.fields["environment"].queryset.first()  # type: ignore[attr-defined]
    if environment is None:
        return Looked(form, None)
    period = values["period"] or str(DAYS)
    days = (values["since"], values["until"]) if period == OWN else _last(environment, int(period))
    scope = scope_of(environment, *days, is_gpu=values["kind"] == "gpu")
    wanted = {"environment": environment.pk, "period": period, "kind": values["kind"] or "software"}
    if period == OWN:
        wanted |= {"since": days[0].isoformat(), "until": days[1].isoformat()}
    form.data = {name: str(value) for name, value in wanted.items()}
    return Looked(form, scope, urlencode(wanted))


def query_of(scope: Scope) -> str:
    """What leads other pages to the last days of an environment."""
    return urlencode({"environment": scope.environment.pk, "period": DAYS, "kind": "software"})


def lately(environment: Environment, days: int = DAYS) -> Scope:
    """The last days of an environment, today with them."""
    return scope_of(environment, *_last(environment, days))


def scope_of(environment: Environment, first: date, last: date, *, is_gpu: bool = False) -> Scope:
    """From the beginning of one day to the end of another, in the environment's zone."""
    zone = ZoneInfo(environment.zone)
    begins, ends = (datetime.combine(day, time(), zone) for day in (first, last + timedelta(days=1)))
    return Scope(environment, begins, ends, is_gpu)


def _last(environment: Environment, days: int) -> tuple[date, date]:
    """Whole days up to today: the same rows are meant on every page until midnight."""
    today = environment.local(clock.now()).date()
    return today - timedelta(days=days - 1), today
