"""The seed's 4.2: the manual procedure, this system and the goal side by side; a manager may correct the figures."""

from typing import Any, Final, NamedTuple

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from releases import permissions
from releases.engine import comparing
from releases.insights import comparison
from releases.insights.comparison import COLUMNS, ROWS, Figure, Key, Row, Said
from releases.insights.durations import Spread
from releases.models import ComparisonFigures, Environment, Project
from releases.permissions import Need, actor, member_required, signed_in
from releases.templatetags.figures import span
from releases.views.answers import once
from releases.views.grouped_forms import Group, form_page
from releases.views.insights_scope import lately, query_of

LONGEST: Final = 10_000  # minutes
TITLES: Final[dict[Key, Promise]] = {
    "deploy": gettext_lazy("Deploy time"),
    "downtime": gettext_lazy("Downtime"),
    "human_error": gettext_lazy("Likelihood of human error"),
    "dependence": gettext_lazy("Dependence on persons"),
    "build": gettext_lazy("Cost of building it"),
    "maintenance": gettext_lazy("Cost of maintaining it"),
    "rollback": gettext_lazy("Speed of a rollback"),
}
HEADS: Final = {
    "manual": gettext_lazy("Manual procedure"),
    "ours": gettext_lazy("This system"),
    "goal": gettext_lazy("Goal"),
}


class Line(NamedTuple):
    """A row as it is shown. `set`: the list of the deployments behind what was reckoned; "" where there is none."""

    title: Promise
    manual: str
    ours: str
    goal: str
    met: bool | None
    is_words: bool
    set: str
    n: int
    note: str


class ComparisonForm(forms.Form):
    """Durations in minutes, words in both languages: those of the manual procedure, of the goal, and ours."""

    def __init__(self, said: Said, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        for key, shipped in ROWS.items():
            for column in COLUMNS:
                given = getattr(shipped, column)
                if given is None:
                    continue
                label = f"{TITLES[key]} – {HEADS[column]}"
                if isinstance(given, int):
                    seconds = said.figure(key, column)
                    minutes = seconds / 60 if isinstance(seconds, int) else 0
                    self.fields[f"{key}_{column}"] = forms.FloatField(
                        label=_("%s (minutes)") % label, min_value=0, max_value=LONGEST, initial=f"{minutes:g}"
                    )
                    continue
                for language, words in zip(_LANGUAGES, said.words(key, column), strict=True):
                    self.fields[f"{key}_{column}_{language}"] = forms.CharField(
                        label=f"{label} ({_LANGUAGES[language]})", max_length=200, initial=words
                    )

    def values(self) -> dict[str, Any]:
        """What was given, durations in seconds."""
        return {
            name: round(value * 60) if isinstance(value, float) else value for name, value in self.cleaned_data.items()
        }


_LANGUAGES: Final = {"ko": "한국어", "en": "English"}


@require_GET
@member_required
def page(request: HttpRequest) -> HttpResponse:
    """The comparison for one project: production's last ninety days."""
    user = signed_in(request)
    rows = permissions.visible(Project, user).order_by("name", "pk")
    wanted = request.GET.get("project", "")
    chosen = rows.filter(pk=int(wanted)).first() if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else None
    project = chosen or rows.first()
    context: dict[str, Any] = {"project": project, "tab": "comparison", "section": "insights"}
    if project is not None:
        context |= shown(project) | {"projects": rows, "may_manage": permissions.may(user, Need.MANAGE, project.pk)}
    return render(request, "insights/comparison.html", context)


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit(request: HttpRequest, number: int) -> HttpResponse:
    """Correct the figures of the manual procedure, the goals, and the words."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    kept = ComparisonFigures.objects.filter(project=project).first()
    form = ComparisonForm(Said(kept.values if kept else {}), request.POST or None)
    back = f"{reverse('releases:insights_comparison')}?project={project.pk}"
    if request.method == "POST" and form.is_valid():
        comparing.save_figures(project, form.values(), signed_in(request), actor(request))
        return redirect(back)
    groups = [Group(TITLES[key], tuple(name for name in form.fields if name.startswith(f"{key}_"))) for key in ROWS]
    return form_page(request, form, groups, _("Figures of the comparison"), back, submit=_("Save"))


def shown(project: Project) -> dict[str, Any]:
    """The table of a project with the environment it is about; None where it has none."""
    rows = Environment.objects.filter(project=project).select_related("project")
    environment = rows.order_by("-is_production", "position", "pk").first()
    scope = lately(environment) if environment else None
    lines = [_line(row) for row in comparison.of(project, scope)]
    query = query_of(scope) if scope else ""
    return {"lines": lines, "environment": environment, "scope": scope, "query": query}


def _line(row: Row) -> Line:
    ours, note, behind, n = _ours(row)
    return Line(TITLES[row.key], _said(row.manual), ours, _said(row.goal), row.met, row.is_words, behind, n, note)


def _said(figure: Figure) -> str:
    return span(figure) if isinstance(figure, int) else comparison.in_language(figure)


def _ours(row: Row) -> tuple[str, str, str, int]:
    """What stands for this system: its words, a note, the set behind it, how many are in that."""
    ours = row.ours
    if ours is None:
        return "", "", "", 0
    if isinstance(ours, Spread):
        behind = {"deploy": "succeeded", "downtime": "measured", "rollback": "rolled_back"}[row.key]
        return span(ours.p50), _("median; p95 %s") % span(ours.p95), behind, ours.n
    first, second = ours
    if isinstance(first, str):
        return comparison.in_language((first, str(second))), "", "", 0
    if row.key == "dependence":
        words = _("%(deployed)s deployed, %(could)s could") % {"deployed": first, "could": second}
        return words, _("people; reckoned"), "", 0
    words = ngettext("%(hand)s of %(all)s step by hand", "%(hand)s of %(all)s steps by hand", int(second))
    return words % {"hand": first, "all": second}, _("of the last deployment; reckoned"), "", 0
