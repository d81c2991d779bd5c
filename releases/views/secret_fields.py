"""Texts that people write are read for secrets before they are saved.

A form gets an error that names the field and the mend, and a box for the person who knows better; a press without a
form gets a page that asks. Who insists is on record, with a mark by which the text is known again, not the text.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.engine.errors import EngineError
from releases.engine.insisting import put_on_record
from releases.permissions import actor
from releases.risks.secrets_scanner import Found, scan

TICK = "not_a_secret"  # the name of the box


class SecretFound(EngineError):
    """A text holds what looks like a secret, and nobody said that it is none."""


def sentence(found: list[Found]) -> str:
    """What was found, where in the text, and what to do about it."""
    first = found[0]
    words = {"what": first.label, "n": first.line, "hint": first.hint}
    return (
        _(
            "This looks like a secret: %(what)s (line %(n)s, %(hint)s). Take it out, and keep it as a secret variable"
            " of the environment. If it is one, give it a new value: it was in the open."
        )
        % words
    )


class ScannedForm(forms.Form):
    """A form whose `scanned` fields are read for secrets. `insisted()` is what a person said is none."""

    scanned: ClassVar[tuple[str, ...]] = ()
    _insisted: list[Found] | None = None

    def clean(self) -> dict[str, Any]:
        """What looks like a secret is refused unless its box is ticked."""
        values = super().clean() or {}
        self._insisted = scan_fields(self, {name: values.get(name) for name in self.scanned})
        return values

    def insisted(self) -> list[Found]:
        """For the verb, to be put on record where the row is saved."""
        return self._insisted or []


def scan_fields(form: forms.BaseForm, texts: Mapping[str, Any]) -> list[Found]:
    """Read texts of a form by their fields. Errors go to the form, with the box; returns what was insisted on."""
    found = {name: scan(text) for name, text in texts.items() if isinstance(text, str) and text}
    found = {name: hits for name, hits in found.items() if hits}
    if not found:
        return []
    form.fields[TICK] = forms.BooleanField(label=gettext_lazy("It is not a secret (goes on record)"), required=False)
    if form.data.get(form.add_prefix(TICK)):
        return [one for hits in found.values() for one in hits]
    for name, hits in found.items():
        form.add_error(name, sentence(hits))
    return []


def refuse_secrets(request: HttpRequest, target: Model, field: Any, text: str, insists: bool = False) -> None:
    """Read the text of a press. Raises SecretFound, whose page asks; what a person insists on goes on record.

    `field` is what the person knows the text as; `insists`: they said so already (by the API).
    """
    found = scan(text)
    if not found:
        return
    if not (insists or request.POST.get(TICK)):
        raise SecretFound(f"{field}: {sentence(found)}")
    put_on_record(actor(request), target, found)


def free_text(request: HttpRequest, target: Model, name: str, most: int) -> str:
    """The text of a press, at most `most` characters of it. Raises SecretFound."""
    text = request.POST.get(name, "").strip()[:most]
    refuse_secrets(request, target, _("Note") if name == "note" else _("Reason"), text)
    return text


def ask_again(request: HttpRequest, error: SecretFound, back: str) -> HttpResponse:
    """The page that says what was found; the person may go back, or send the same again with the box ticked."""
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in {TICK, "csrfmiddlewaretoken"}
    ]
    context = {"message": str(error), "fields": fields, "has_files": bool(request.FILES), "back": back, "tick": TICK}
    answer = render(request, "releases/risks/secret_found.html", context, status=409)
    add_never_cache_headers(answer)  # what may be a secret stands in it, for the person who sent it
    return answer
