"""What a database held when it was dumped, and how what a restore of the dump holds differs from it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from django.utils.translation import gettext as _

LARGE_OBJECTS = "large objects"  # counted like rows of a table; told only where there are any


class FingerprintUnreadable(Exception):
    """The lines are not those of a whole fingerprint."""


@dataclass
class Fingerprint:
    """`tables`: name -> [rows, checksum]; `sequences`: name -> [lowest, highest value it had while it was read];
    `extensions`: name -> version; `objects`: "kind name" of everything else that is defined; `size` in bytes;
    `sums`: how the checksums are made (fingerprint.sql): md5 is how it was before this was kept.
    """

    tables: dict[str, list[Any]] = field(default_factory=dict)
    sequences: dict[str, list[int]] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    size: int = 0
    sums: str = "md5"

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "tuple[Fingerprint, float | None]":
        """Read the JSON lines that fingerprint.sql prints, and the seconds a restore took where they say so.

        Raises FingerprintUnreadable when they are not whole.
        """
        found, restored, is_whole = cls(), None, False
        try:
            for line in lines:
                entry = json.loads(line)
                found._add(entry)
                restored = entry.get("restored", restored)
                is_whole = is_whole or "whole" in entry
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FingerprintUnreadable(str(error)) from error
        if not is_whole:
            raise FingerprintUnreadable("it ends early")
        found.objects.sort()
        return found, restored

    def _add(self, entry: Mapping[str, Any]) -> None:
        if entry.get("table") == LARGE_OBJECTS and not entry["rows"]:
            return
        if "table" in entry:
            self.tables[entry["table"]] = [int(entry["rows"]), str(entry["sum"])]
        elif "sequence" in entry:
            low, high = self.sequences.get(entry["sequence"], [entry["value"]] * 2)
            self.sequences[entry["sequence"]] = [min(low, entry["value"]), max(high, entry["value"])]
        elif "extension" in entry:
            self.extensions[entry["extension"]] = entry["version"]
        elif "object" in entry:
            self.objects.append(f"{entry['object']} {entry['name']}")
        elif "sums" in entry:
            self.sums = str(entry["sums"])
        elif "size" in entry:
            self.size = int(entry["size"])

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be kept in a row."""
        return asdict(self)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(rows for rows, _sum in self.tables.values())


def differences(held: Fingerprint, restored: Fingerprint) -> list[str]:
    """What the restored database has otherwise, one translated sentence each; empty: they hold the same."""
    return [
        *_missing(_("Extension"), held.extensions, restored.extensions),
        *_missing("", dict.fromkeys(held.objects), dict.fromkeys(restored.objects)),
        *_tables(held, restored),
        *_sequences(held, restored),
    ]


def _missing(kind: str, held: Mapping[str, object], restored: Mapping[str, object]) -> list[str]:
    found = [_("%s is missing.") % f"{kind} {name}".strip() for name in held if name not in restored]
    return found + [
        _("%s is there, but was not dumped.") % f"{kind} {name}".strip() for name in restored if name not in held
    ]


def _tables(held: Fingerprint, restored: Fingerprint) -> list[str]:
    found = []
    for name, (rows, checksum) in held.tables.items():
        if name not in restored.tables:
            continue  # told as a missing object
        has, found_sum = restored.tables[name]
        if has != rows:
            numbers = {"name": name, "has": has, "rows": rows}
            found.append(_("%(name)s has %(has)s rows in place of %(rows)s.") % numbers)
        elif found_sum != checksum:
            found.append(_("%s has as many rows, but other values in them.") % name)
    return found


def _sequences(held: Fingerprint, restored: Fingerprint) -> list[str]:
    found = []
    for name, (low, high) in held.sequences.items():
        value = restored.sequences.get(name, [None])[0]
        if value is not None and not low <= value <= high:
            found.append(
                _("Sequence %(name)s stands at %(value)s in place of %(low)s.")
                % {"name": name, "value": value, "low": low}
            )
    return found
