"""Importing price tables: what is wrong with line and column, what would change, and only then the saving."""

from typing import Any, Final

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from releases import permissions
from releases.engine import prices
from releases.engine.errors import EngineError
from releases.insights import price_lists
from releases.insights.price_lists import COLUMNS, MOST_BYTES, REQUIRED
from releases.models import CostKind, PriceUnit, Project
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, refusal

EXAMPLE: Final = """kind,key,region,unit,amount,currency,valid_from,vcpu,memory_gb,cpu_baseline,source
instance,t4g.xlarge,ap-northeast-2,hour,0.1341,USD,2026-01-01,4,16,40,price list of 2026-01-05
storage,gp3,ap-northeast-2,gb_month,0.114,USD,2026-01-01,,,,price list of 2026-01-05
"""


class ImportForm(forms.Form):
    """A file, or its text."""

    file = forms.FileField(label=gettext_lazy("CSV file"), required=False)
    text = forms.CharField(
        label=gettext_lazy("or its text"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        """One of the two, as text."""
        values = super().clean() or {}
        file = values.get("file")
        if file is not None and file.size > MOST_BYTES:
            self.add_error(
                "file", _("The file has more than %s kB. Split it into several lists.") % (MOST_BYTES // 1000)
            )
        elif file is not None:
            try:
                values["text"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", _("The file is no UTF-8 text. Save it as CSV UTF-8 and try again."))
        elif not values.get("text", "").strip() and not self.errors:
            self.add_error("text", _("Choose a file, or paste its text here."))
        if "\0" in values.get("text", ""):
            self.add_error("text", _("The text holds a zero byte, which can't be kept. Remove it."))
        return values


@require_http_methods(["GET", "POST"])
@member_required
def import_prices(request: HttpRequest, number: int) -> HttpResponse:
    """Look at a list, then save it whole."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    form = ImportForm(request.POST or None, request.FILES or None)
    found = None
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        if "save" in request.POST:
            return _save(request, project, text)
        found = price_lists.read(text, project)
        form = ImportForm(initial={"text": text})
    context = {
        "project": project,
        "form": form,
        "found": found,
        "required": REQUIRED,
        "optional": [name for name in COLUMNS if name not in REQUIRED],
        "kinds": CostKind.values,
        "units": PriceUnit.values,
        "example": EXAMPLE,
        "section": "costs",
    }
    status = 400 if form.errors or (found and found.faults) else 200
    return render(request, "releases/costs/import.html", context, status=status)


def _save(request: HttpRequest, project: Project, text: str) -> HttpResponse:
    try:
        count = prices.save_list(project, text, actor(request))
    except EngineError as error:
        return refusal(request, str(error), 409)
    done(request, ngettext("%s price was saved.", "%s prices were saved.", count) % count)
    return redirect("releases:project_prices", project.pk)
