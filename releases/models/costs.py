"""What a project pays, or would pay elsewhere: prices with dates, what is bought, alternatives, the traffic assumed."""

from decimal import Decimal
from typing import Any, Final

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import in_reader_language, one_of

CURRENCY: Final = RegexValidator(r"^[A-Z]{3}$", _("Give three capital letters such as USD."))
PRICE_KEY: Final = RegexValidator(r"^[a-z0-9][a-z0-9._-]*$", _("Use a short name such as t4g.xlarge or gp3."))
NOT_NEGATIVE: Final = [MinValueValidator(Decimal(0), _("Give 0 or more."))]
MONEY: Final[dict[str, Any]] = {"max_digits": 16, "decimal_places": 8, "validators": NOT_NEGATIVE}
AMOUNT: Final[dict[str, Any]] = {"max_digits": 14, "decimal_places": 2, "validators": NOT_NEGATIVE}


class CostKind(models.TextChoices):
    """What is paid for."""

    INSTANCE = "instance", _("Instance")
    STORAGE = "storage", _("Storage")
    TRANSFER = "transfer", _("Transfer")
    GPU = "gpu", "GPU"
    OTHER = "other", _("Other")


class PriceUnit(models.TextChoices):
    """What one price is for. How much of it makes a month: releases/insights/costs.py."""

    HOUR = "hour", _("hour, all month (730)")
    GB_MONTH = "gb_month", _("GB a month")
    GB = "gb", "GB"
    HOUR_USED = "hour_used", _("hour used")
    SECOND_USED = "second_used", _("second used")
    MONTH = "month", _("month")


class Price(models.Model):
    """A list price from a day on, until the next one of the same short name."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="prices")
    kind = models.CharField(_("kind"), max_length=20, choices=CostKind)
    key = models.CharField(_("short name"), max_length=60, validators=[PRICE_KEY])
    valid_from = models.DateField(_("valid from"))
    region = models.CharField(_("region"), max_length=60, blank=True)
    unit = models.CharField(_("unit"), max_length=20, choices=PriceUnit)
    amount = models.DecimalField(_("price"), **MONEY)
    currency = models.CharField(_("currency"), max_length=3, default="USD", validators=[CURRENCY])
    vcpu = models.PositiveSmallIntegerField("vCPU", null=True, blank=True)
    memory_gb = models.DecimalField(
        _("memory (GB)"), max_digits=8, decimal_places=2, null=True, blank=True, validators=NOT_NEGATIVE
    )
    cpu_baseline = models.PositiveSmallIntegerField(
        _("CPU baseline (%)"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    source = models.CharField(_("source"), max_length=200, blank=True)

    class Meta:
        ordering = ["kind", "key", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["project", "key", "valid_from"], name="price_once_a_day"),
            one_of("kind", CostKind.values, "price_kind_known"),
            one_of("unit", PriceUnit.values, "price_unit_known"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.valid_from:%Y-%m-%d}"


class CostItem(models.Model):
    """Something that is paid for, from a day on; its price is looked up by day, or given with it."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="cost_items")
    environment = models.ForeignKey(
        "releases.Environment", null=True, blank=True, on_delete=models.CASCADE, related_name="cost_items"
    )
    kind = models.CharField(_("kind"), max_length=20, choices=CostKind)
    name = models.CharField(_("what"), max_length=120)
    quantity = models.DecimalField(
        _("quantity"), max_digits=14, decimal_places=4, default=Decimal(1), validators=NOT_NEGATIVE
    )
    price_key = models.CharField(_("price from the table"), max_length=60, blank=True)
    own_amount = models.DecimalField(_("own price"), null=True, blank=True, **MONEY)
    own_unit = models.CharField(_("unit of the own price"), max_length=20, choices=PriceUnit, blank=True)
    own_currency = models.CharField(_("its currency"), max_length=3, blank=True, default="USD", validators=[CURRENCY])
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until, with that day"), null=True, blank=True)
    note = models.CharField(_("note"), max_length=300, blank=True)

    class Meta:
        ordering = ["kind", "name", "pk"]
        constraints = [
            one_of("kind", CostKind.values, "cost_item_kind_known"),
            one_of("own_unit", ["", *PriceUnit.values], "cost_item_unit_known"),
            models.CheckConstraint(
                condition=models.Q(price_key="", own_amount__isnull=False) & ~models.Q(own_unit="")
                | ~models.Q(price_key="") & models.Q(own_amount__isnull=True),
                name="cost_item_one_price",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_on__isnull=True) | models.Q(ends_on__gte=models.F("starts_on")),
                name="cost_item_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CostScenario(models.Model):
    """One way to buy the same: a figure a month with its source. Only those of one `basis` may be compared."""

    project = models.ForeignKey("releases.Project", on_delete=models.CASCADE, related_name="cost_scenarios")
    basis = models.CharField(_("compared with those of"), max_length=120)
    name_ko = models.CharField(_("name in Korean"), max_length=120, blank=True)
    name_en = models.CharField(_("name in English"), max_length=120, blank=True)
    low = models.DecimalField(_("a month"), **AMOUNT)
    high = models.DecimalField(_("up to, where it is a range"), null=True, blank=True, **AMOUNT)
    currency = models.CharField(_("currency"), max_length=3, default="USD", validators=[CURRENCY])
    why_ko = models.CharField(_("why, or why not, in Korean"), max_length=500, blank=True)
    why_en = models.CharField(_("why, or why not, in English"), max_length=500, blank=True)
    is_chosen = models.BooleanField(_("this one was chosen"), default=False)
    source = models.CharField(_("source"), max_length=200, blank=True)
    as_of = models.DateField(_("as of"))

    class Meta:
        ordering = ["basis", "-is_chosen", "low", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "basis"], condition=models.Q(is_chosen=True), name="cost_scenario_one_chosen"
            ),
            models.CheckConstraint(condition=~models.Q(name_ko="", name_en=""), name="cost_scenario_has_a_name"),
        ]

    def __str__(self) -> str:
        return in_reader_language(self.name_ko, self.name_en)

    def why(self) -> str:
        """The reason in the reader's language."""
        return in_reader_language(self.why_ko, self.why_en)
