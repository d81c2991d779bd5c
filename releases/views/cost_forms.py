"""Forms about costs: prices, what is bought, alternatives, the traffic assumed."""

from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import Model
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models import CostItem, CostScenario, Price, Project, TrafficEstimate
from releases.views.careful_forms import CarefulForm
from releases.views.grouped_forms import Group


class DayInput(forms.DateInput):
    """A day with the browser's own calendar."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class OwnForm[M: Model](CarefulForm[M]):
    """A form of a row that belongs to a project, which is no field of it but counts for what may be there once."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.project: Project = self.instance.project  # type: ignore[attr-defined]
        self.held = self.values()

    def values(self) -> dict[str, Any]:
        """What its row holds: before the form is read as it was, then as it shall be."""
        return {name: getattr(self.instance, name) for name in self.fields if name != "seen"}

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"project"}


class PriceForm(OwnForm[Price]):
    """One price from a day on."""

    class Meta:
        model = Price
        fields = (
            *("kind", "key", "valid_from", "unit", "amount", "currency", "region"),
            *("vcpu", "memory_gb", "cpu_baseline", "source"),
        )
        widgets = {"valid_from": DayInput()}
        help_texts = {
            "key": gettext_lazy("What is bought names its price by it. A new price of the same gets the same name."),
            "valid_from": gettext_lazy("It holds until the next price of the same short name."),
            "currency": gettext_lazy("Nothing is converted: each currency has a sum of its own."),
            "cpu_baseline": gettext_lazy("Of types with CPU credits, such as 40 for t4g.xlarge. Empty: no credits."),
            "source": gettext_lazy("Where the price is from, and the day it was looked up."),
        }
        error_messages = {
            NON_FIELD_ERRORS: {
                "unique_together": gettext_lazy(
                    "There is a price of this short name from this day on already. Change that one."
                )
            }
        }


class ItemForm(OwnForm[CostItem]):
    """Something that is paid for, by the table or by a price of its own."""

    price_key = forms.ChoiceField(label=gettext_lazy("Price from the table"), required=False)

    class Meta:
        model = CostItem
        fields = (
            *("kind", "name", "environment", "quantity", "starts_on", "ends_on", "note"),
            *("price_key", "own_amount", "own_unit", "own_currency"),
        )
        labels = {"environment": gettext_lazy("Environment")}
        widgets = {"starts_on": DayInput(), "ends_on": DayInput()}
        help_texts = {
            "environment": gettext_lazy("Empty: for the whole project."),
            "quantity": gettext_lazy("Machines, GB or hours, as the unit of the price says."),
            "ends_on": gettext_lazy("Empty: still paid for."),
        }

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        fields: dict[str, Any] = self.fields
        fields["environment"].queryset = self.project.environments.all()
        keys = self.project.prices.order_by("key").values_list("key", flat=True).distinct()
        fields["price_key"].choices = [("", _("none: a price of its own")), *((key, key) for key in keys)]

    def clean(self) -> dict[str, Any]:
        """One price, from the table or its own, and an end that is not before the beginning."""
        values = super().clean() or {}
        key, amount = values.get("price_key"), values.get("own_amount")
        if "own_amount" in values and not key and amount is None:
            self.add_error("price_key", _("Choose a price from the table, or give a price of its own below."))
        if key and amount is not None:
            self.add_error("own_amount", _("Leave this empty, or choose no price from the table: one of both counts."))
        if amount is not None and not key:
            for name in ("own_unit", "own_currency"):
                if not values.get(name) and name not in self.errors:
                    self.add_error(name, _("A price of its own needs this, too."))
        start, end = values.get("starts_on"), values.get("ends_on")
        if start and end and end < start:
            self.add_error("ends_on", _("This is before it begins. Give a later day, or none."))
        return values


ITEM_GROUPS = (
    Group(
        gettext_lazy("What is paid for"), ("kind", "name", "environment", "quantity", "starts_on", "ends_on", "note")
    ),
    Group(
        gettext_lazy("Its price"),
        ("price_key", "own_amount", "own_unit", "own_currency"),
        gettext_lazy("From the table, where it changes with the day; or one of its own."),
    ),
)


class ScenarioForm(OwnForm[CostScenario]):
    """One alternative."""

    class Meta:
        model = CostScenario
        fields = (
            *("basis", "name_ko", "name_en", "low", "high", "currency", "is_chosen"),
            *("why_ko", "why_en", "source", "as_of"),
        )
        widgets = {
            "as_of": DayInput(),
            "why_ko": forms.Textarea(attrs={"rows": 2}),
            "why_en": forms.Textarea(attrs={"rows": 2}),
        }
        help_texts = {
            "basis": gettext_lazy("The same words for all that buy the same: only those are compared."),
            "name_ko": gettext_lazy("One of the two languages is enough."),
        }

    def clean(self) -> dict[str, Any]:
        """It has a name, its range points upwards, and one alternative of a basis is the chosen one."""
        values = super().clean() or {}
        if not values.get("name_ko") and not values.get("name_en"):
            self.add_error("name_ko", _("Give a name in one of the two languages."))
        low, high = values.get("low"), values.get("high")
        if low is not None and high is not None and high < low:
            self.add_error("high", _("This is less than the lower figure. Swap them, or leave this empty."))
        if values.get("is_chosen") and values.get("basis"):
            others = self.project.cost_scenarios.filter(basis=values["basis"], is_chosen=True)
            other = others.exclude(pk=self.instance.pk).first()
            if other is not None:
                self.add_error("is_chosen", _("%s is the chosen one there. Take the mark from that first.") % other)
        return values


class TrafficForm(OwnForm[TrafficEstimate]):
    """One figure of the traffic."""

    class Meta:
        model = TrafficEstimate
        fields = ("what", "low", "high", "source", "measured", "measured_on", "measured_by")
        widgets = {"measured_on": DayInput()}
        error_messages = {
            NON_FIELD_ERRORS: {"unique_together": gettext_lazy("This figure is there already. Change that one.")}
        }

    def clean(self) -> dict[str, Any]:
        """A measured figure has its day, and a range points upwards."""
        values = super().clean() or {}
        low, high = values.get("low"), values.get("high")
        if low is not None and high is not None and high < low:
            self.add_error("high", _("This is less than the lower figure. Swap them, or leave this empty."))
        if values.get("measured") is not None and not values.get("measured_on") and "measured_on" not in self.errors:
            self.add_error("measured_on", _("Say on which day that was measured."))
        return values
