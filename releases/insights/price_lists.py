"""Price tables as CSV: read whole, every fault with its line, its column and the mend; nothing is saved here."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from releases.models import CostKind, Price, PriceUnit, Project

REQUIRED: Final = ("kind", "key", "unit", "amount", "currency", "valid_from")
OPTIONAL: Final = ("region", "vcpu", "memory_gb", "cpu_baseline", "source")
COLUMNS: Final = REQUIRED + OPTIONAL
MOST_LINES: Final = 1000
MOST_BYTES: Final = 500_000


@dataclass(frozen=True)
class Fault:
    """What is wrong in one place. Line 1 is the heading; `column` is "" where the whole line, or file, is meant."""

    line: int
    column: str
    mend: str


@dataclass(frozen=True)
class Row:
    """One price of the list beside what is there: new, changed (`before`) or the same."""

    line: int
    price: Price
    before: Price | None

    @property
    def is_same(self) -> bool:
        """Whether saving it changes nothing."""
        return self.before is not None and all(
            getattr(self.before, name) == getattr(self.price, name) for name in COLUMNS
        )


@dataclass
class PriceList:
    """All that a CSV says. It may be saved when it has no faults, and only whole."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def changing(self) -> list[Row]:
        """The rows that saving would add or change."""
        return [row for row in self.rows if not row.is_same]


def read(text: str, project: Project) -> PriceList:
    """Take the CSV apart; one query."""
    found = PriceList()
    lines = text.lstrip("\ufeff").splitlines()
    if len(text.encode()) > MOST_BYTES or len(lines) > MOST_LINES:
        words = {"lines": MOST_LINES, "kilobytes": MOST_BYTES // 1000}
        found.faults.append(
            Fault(1, "", _("At most %(lines)s lines and %(kilobytes)s kB: split it into several lists.") % words)
        )
        return found
    reader = csv.reader(io.StringIO("\n".join(lines)), strict=True)
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        found.faults += _faults_of_heading(heading)
        if not found.faults:
            _read_rows(found, reader, heading, project)
    except csv.Error as error:
        found.faults.append(Fault(reader.line_num, "", _("This is no CSV here: %s. Look at the quotes.") % error))
    return found


def _faults_of_heading(heading: list[str]) -> Iterator[Fault]:
    if not any(heading):
        yield Fault(1, "", _("The list is empty. Its first line names the columns: %s.") % ",".join(REQUIRED))
        return
    for name in REQUIRED:
        if name not in heading:
            yield Fault(1, name, _("This column is missing. Columns are separated by commas."))
    for name in heading:
        if name not in COLUMNS:
            yield Fault(1, name or "?", _("There is no such column. Known are %s.") % ", ".join(COLUMNS))
        elif heading.count(name) > 1:
            yield Fault(1, name, _("This column is there twice. Remove one."))


def _read_rows(found: PriceList, reader: Any, heading: list[str], project: Project) -> None:
    known = {(row.key, row.valid_from): row for row in project.prices.all()}
    seen: dict[tuple[str, date], int] = {}
    for cells in reader:
        line = reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(heading):
            words = {"there": len(cells), "wanted": len(heading)}
            mend = _("%(there)s cells, and the heading has %(wanted)s. A text with a comma needs quotes.") % words
            found.faults.append(Fault(line, "", mend))
            continue
        values = {name: cell.strip() for name, cell in zip(heading, cells, strict=True)}
        price, faults = _price(line, values, project)
        found.faults += faults
        if price is None:
            continue
        place = (price.key, price.valid_from)
        if place in seen:
            mend = _("Line %s has a price of the same short name and day already. Remove one of them.") % seen[place]
            found.faults.append(Fault(line, "key", mend))
        seen.setdefault(place, line)
        found.rows.append(Row(line, price, known.get(place)))
    if not found.rows and not found.faults:
        found.faults.append(Fault(1, "", _("There is no line with a price under the heading.")))


def _price(line: int, values: Mapping[str, str], project: Project) -> tuple[Price | None, list[Fault]]:
    faults: list[Fault] = []
    cells: dict[str, Any] = {}
    for name, text in values.items():
        try:
            cells[name] = _value(name, text)
        except ValueError as error:
            faults.append(Fault(line, name, str(error)))
    if faults:
        return None, faults
    price = Price(project=project, **{"region": "", "source": ""} | cells)
    try:
        price.clean_fields(exclude=["project"])
    except ValidationError as error:
        return None, [Fault(line, name, " ".join(said)) for name, said in error.message_dict.items()]
    return price, []


def _value(name: str, text: str) -> Any:
    """A cell as its column holds it. Raises ValueError with the mend."""
    if name in REQUIRED and not text:
        raise ValueError(_("This is empty. Give a value."))
    if name == "kind":
        return _one_of(text, CostKind.values)
    if name == "unit":
        return _one_of(text, PriceUnit.values)
    if name == "valid_from":
        return _day(text)
    if name in {"vcpu", "cpu_baseline"}:
        return _whole(text)
    if name in {"amount", "memory_gb"}:
        return _decimal(text) if text else None
    return text


def _one_of(text: str, allowed: list[str]) -> str:
    if text.lower() not in allowed:
        raise ValueError(_("%(text)s is not one of %(allowed)s.") % {"text": text[:40], "allowed": ", ".join(allowed)})
    return text.lower()


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(_("%s is not a day; write it as 2026-01-31.") % text[:40]) from None


def _whole(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise ValueError(_("%s is not a whole number; write it as 4, or leave it empty.") % text[:40])
    return int(text)


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValueError(_("%s is not a number; write it as 0.1341, without a currency sign.") % text[:40])
    return value
