"""Long forms in groups that explain themselves."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise

Words = str | Promise


@dataclass(frozen=True)
class Group:
    """Fields that belong together under a heading. `css`: a class that may hide the whole of it."""

    title: Words
    fields: tuple[str, ...]
    text: Words = ""
    css: str = ""


def grouped(form: forms.BaseForm, groups: Iterable[Group]) -> list[dict[str, Any]]:
    """Each group with its fields as the form has them; a group without any is left out."""
    found = [
        {"group": group, "fields": [form[name] for name in group.fields if name in form.fields]} for group in groups
    ]
    return [entry for entry in found if entry["fields"]]


def form_page(
    request: HttpRequest, form: forms.BaseForm, groups: Iterable[Group], title: str, back: str, **more: Any
) -> HttpResponse:
    """The form's own page; 400 where it was refused. `back`: a path."""
    context = {"form": form, "groups": grouped(form, groups), "title": title, "back": back, **more}
    return render(request, "releases/grouped_form.html", context, status=400 if form.errors else 200)
