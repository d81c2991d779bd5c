"""Fields for what the GPU pages take as text: lists, and names with values."""

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
POOL: Final = r"[A-Z][A-Z0-9_]{1,39}"
ENTRIES: Final = 100
LONGEST: Final = 4000  # characters of one value
# How keys of well-known services begin.
_TOKEN: Final = re.compile(
    r"\b(hf_|rpa_|sk-|gh[opsu]_|github_pat_|glpat-|xox[abprs]-|AKIA|eyJ[A-Za-z0-9_-]+\.)[A-Za-z0-9_.-]{8,}"
)


def looks_secret(text: str) -> bool:
    """Something in it begins as a key of a well-known service does."""
    return _TOKEN.search(text) is not None


def without_secrets(text: str) -> str:
    """The text without what looks secret in it."""
    return _TOKEN.sub("", text)


class _Text(forms.Field):
    """Several lines, of which `parse` makes a value."""

    widget = forms.Textarea

    def __init__(self, *, rows: int = 3, **named: Any) -> None:
        box = forms.Textarea(attrs={"rows": rows, "class": "mono", "spellcheck": "false", "autocomplete": "off"})
        super().__init__(required=False, widget=box, **named)

    def to_python(self, value: Any) -> Any:
        text = str(value or "")
        if "\0" in text:
            raise ValidationError(_("The text holds a zero byte, which can't be kept. Remove it."))
        return self.parse(text.replace("\r\n", "\n"))

    def parse(self, text: str) -> Any:
        raise NotImplementedError

    def show(self, value: Any) -> str:
        raise NotImplementedError

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else self.show(value or self.empty())

    def empty(self) -> Any:
        return self.parse("")

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or self.empty()))
        except ValidationError:
            return True


class ListField(_Text):
    """Entries apart by commas or lines, each once, in the order given. `allowed`: what each must look like."""

    def __init__(self, *, allowed: str = r"[^\x00-\x1f]{1,100}", **named: Any) -> None:
        self._allowed = re.compile(allowed)
        super().__init__(**named)

    def parse(self, text: str) -> list[str]:
        """Raises ValidationError naming the entry."""
        found = list(dict.fromkeys(part.strip() for part in re.split(r"[,\n]", text) if part.strip()))
        for entry in found:
            if not self._allowed.fullmatch(entry):
                raise ValidationError(
                    _("%s is no such name. Write one a line, as the provider spells it.") % entry[:100]
                )
        if len(found) > ENTRIES:
            raise ValidationError(_("At most %d entries, please.") % ENTRIES)
        return found

    def show(self, value: Any) -> str:
        return "\n".join(str(entry) for entry in value)


class PairsField(_Text):
    """NAME=value, one a line, each name once. No error repeats a value: it may be a secret."""

    def parse(self, text: str) -> dict[str, str]:
        """Raises ValidationError naming the line."""
        found: dict[str, str] = {}
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            name, equals, value = (part.strip() for part in line.partition("="))
            if not equals or not VARIABLE.fullmatch(name):
                sentence = _("Line %d: write NAME=value; a name has letters, digits and _, and no digit first.")
                raise ValidationError(sentence % number)
            if name in found:
                raise ValidationError(_("%s is set twice; keep one of the lines.") % name[:100])
            if len(value) > LONGEST or len(name) > 100:
                raise ValidationError(
                    _("Line %(n)d is longer than %(limit)d characters.") % {"n": number, "limit": LONGEST}
                )
            found[name] = value
        if len(found) > ENTRIES:
            raise ValidationError(_("At most %d entries, please.") % ENTRIES)
        return found

    def show(self, value: Any) -> str:
        return "\n".join(f"{name}={text}" for name, text in value.items())
