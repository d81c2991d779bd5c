"""Forms about reading hosts: the switch with what it needs, and the plan of each component."""

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models import Component, CostKind, HostWatch
from releases.views.careful_forms import CarefulForm
from releases.views.grouped_forms import Group

_PATH: Final = re.compile(r"^/[A-Za-z0-9._/@+-]*$")
MOST_PATHS: Final = 5


class WatchForm(CarefulForm[HostWatch]):
    """Whether and how a host is read."""

    instance_type = forms.ChoiceField(label=gettext_lazy("Instance type"), required=False)

    class Meta:
        model = HostWatch
        fields = ("is_on", "database", "max_connections", "paths")
        help_texts = {
            "is_on": gettext_lazy("What would run there is listed on the host's capacity page. It changes nothing."),
            "max_connections": gettext_lazy("max_connections of postgresql.conf; 100 where nobody changed it."),
            "paths": gettext_lazy("Separated by spaces, such as / /var/lib/postgresql."),
        }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        fields: dict[str, Any] = self.fields
        prices = self.instance.host.environment.project.prices.filter(kind=CostKind.INSTANCE)
        keys = list(prices.order_by("key").values_list("key", flat=True).distinct())
        fields["instance_type"].choices = [("", _("not said")), *((key, key) for key in keys)]
        fields["instance_type"].initial = self.instance.instance
        fields["instance_type"].help_text = _("From the price table of the project: its CPU baseline is used.")
        self.order_fields(["is_on", "instance_type", *self.Meta.fields[1:]])

    def clean_paths(self) -> str:
        """Absolute paths without anything that a shell could read otherwise."""
        paths = self.cleaned_data["paths"].split()
        for path in paths:
            if not _PATH.match(path):
                raise forms.ValidationError(_("%s is not an absolute path such as /var/lib.") % path[:60])
        if len(paths) > MOST_PATHS:
            raise forms.ValidationError(_("At most %s folders.") % MOST_PATHS)
        return " ".join(paths) or "/"

    def save(self, commit: bool = True) -> HostWatch:
        """With the instance type, whose name in the row would hide the form's own `instance`."""
        self.instance.instance = self.cleaned_data["instance_type"]
        return super().save(commit)


class ComponentForm(CarefulForm[Component]):
    """The plan of one component, and the mark of its processes."""

    class Meta:
        model = Component
        fields = (
            *("name", "match", "value", "memory_low", "memory_high", "cpu_low", "cpu_high"),
            *("note", "position"),
        )
        help_texts = {
            "value": gettext_lazy(
                "The unit (nginx, postgresql@*), words that stand in the command line as they are, or the user's name."
                " Empty for everything else."
            ),
            "cpu_low": gettext_lazy("Of the whole machine."),
        }
        error_messages = {
            NON_FIELD_ERRORS: {"unique_together": gettext_lazy("This host has a component of this name already.")}
        }

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"host"}

    def clean(self) -> dict[str, Any]:
        """A mark where one is needed, one rest, ranges that point upwards."""
        values = super().clean() or {}
        rest = values.get("match") == Component.Match.REST
        if rest and values.get("value"):
            self.add_error("value", _("Everything else needs no mark: leave this empty."))
        if values.get("match") and not rest and not values.get("value") and "value" not in self.errors:
            self.add_error("value", _("Say how its processes are told from others."))
        if rest:
            other = (
                self.instance.host.components.filter(match=Component.Match.REST).exclude(pk=self.instance.pk).first()
            )
            if other is not None:
                self.add_error("match", _("%s is everything else on this host already.") % other)
        for name in ("memory", "cpu"):
            low, high = values.get(f"{name}_low"), values.get(f"{name}_high")
            if high is not None and (low is None or high < low):
                self.add_error(f"{name}_high", _("Give the lower figure first, and here one that is not less."))
        return values


WATCH_GROUPS: Final = (
    Group(gettext_lazy("Reading"), ("is_on", "instance_type", "paths")),
    Group(
        gettext_lazy("Connections of PostgreSQL"),
        ("database", "max_connections"),
        gettext_lazy(
            "psql takes db_name, db_host, db_port and db_user from the variables of the environment and never asks for"
            " a password: the login needs a ~/.pgpass or a rule in pg_hba.conf. With sudo it needs a rule that allows"
            " `psql` as postgres without a password."
        ),
    ),
)
