"""The words that announcements of a kind begin with: the shipped ones, or a project's own."""

from datetime import timedelta
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from releases import markdown, permissions
from releases.engine import wordings as engine
from releases.models import Announcement, Environment, Project, Stage, Wording
from releases.notices import wording
from releases.notices.shipped import SHIPPED, Words
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done, once, verb
from releases.views.grouped_forms import Group, grouped
from releases.views.notice_forms import TEXTS, MarkdownField, title_field
from releases.views.secret_fields import TICK, ScannedForm

GROUPS: Final = (
    Group(gettext_lazy("In Korean"), ("title_ko", "body_ko")),
    Group(gettext_lazy("In English"), ("title_en", "body_en")),
    Group(gettext_lazy("Not a secret"), (TICK,)),
)


class WordingForm(ScannedForm):
    """A title and a text in both languages, with placeholders."""

    scanned = TEXTS

    title_ko = title_field(gettext_lazy("Title in Korean"))
    body_ko = MarkdownField(label=gettext_lazy("Text in Korean"), required=False)
    title_en = title_field(gettext_lazy("Title in English"))
    body_en = MarkdownField(label=gettext_lazy("Text in English"), required=False)

    def words(self) -> Words:
        """What was written, once the form is valid."""
        return Words(**{name: self.cleaned_data[name] for name in Words._fields})


@require_GET
@member_required
def wordings(request: HttpRequest, number: int) -> HttpResponse:
    """Every kind and stage, and which words it begins with."""
    user = signed_in(request)
    project = permissions.get(Project, user, Need.VIEW, pk=number)
    own = {(row.kind, row.stage): row for row in Wording.objects.filter(project=project)}
    kinds = [
        {"kind": kind, "rows": [_row(own.get((kind.value, stage.value)), kind, stage) for stage in Stage]}
        for kind in Announcement.Kind
    ]
    may_manage = permissions.may(user, Need.MANAGE, project.pk)
    context = {"project": project, "kinds": kinds, "may_manage": may_manage, "section": "notices"}
    return render(request, "releases/notices/wordings.html", context)


@require_http_methods(["GET", "POST"])
@member_required
@once
def edit_wording(request: HttpRequest, number: int) -> HttpResponse:
    """Write a project's own words for one `?kind=` and `?stage=`."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    kind, stage = _asked(request)
    words = wording.words_of(project, kind, stage)
    form = WordingForm(request.POST or None, initial=words._asdict())
    if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
        engine.save(project, kind, stage, form.words(), actor(request), form.insisted())
        done(request, _("The words are saved."))
        return redirect("releases:wordings", project.pk)
    return _form_page(request, project, form, kind, stage)


@verb
def reset_wording(request: HttpRequest, number: int) -> HttpResponse:
    """Go back to the shipped words."""
    project = permissions.get(Project, signed_in(request), Need.MANAGE, pk=number)
    kind, stage = _asked(request)
    engine.reset(project, kind, stage, actor(request))
    done(request, _("The shipped words are used again."))
    return redirect("releases:wordings", project.pk)


def _asked(request: HttpRequest) -> tuple[str, str]:
    pair = request.GET.get("kind", Announcement.Kind.DEPLOY), request.GET.get("stage", Stage.SCHEDULED)
    if pair not in SHIPPED:
        raise Http404
    return str(pair[0]), str(pair[1])


def _row(own: Wording | None, kind: str, stage: str) -> dict[str, Any]:
    shipped = SHIPPED[kind, stage]
    return {
        "stage": Stage(stage),
        "own": own,
        "title_ko": own.title_ko if own else shipped.title_ko,
        "title_en": own.title_en if own else shipped.title_en,
    }


def _form_page(request: HttpRequest, project: Project, form: WordingForm, kind: str, stage: str) -> HttpResponse:
    query = f"?kind={kind}&stage={stage}"
    is_own = Wording.objects.filter(project=project, kind=kind, stage=stage).exists()
    context: dict[str, Any] = {
        "form": form,
        "groups": grouped(form, GROUPS),
        "title": f"{Announcement.Kind(kind).label}: {Stage(stage).label}",
        "back": reverse("releases:wordings", args=[project.pk]),
        "reset": reverse("releases:reset_wording", args=[project.pk]) + query if is_own else "",
        "placeholders": wording.PLACEHOLDERS.items(),
        "section": "notices",
        "preview": _preview(project, form, kind, stage) if "preview" in request.POST and form.is_valid() else [],
    }
    return render(request, "releases/notices/form.html", context, status=400 if form.errors else 200)


def _preview(project: Project, form: WordingForm, kind: str, stage: str) -> list[dict[str, Any]]:
    """As an announcement of an hour from now would read."""
    environment = project.environments.first() or Environment(project=project, name="–")
    state = stage if stage in Announcement.State.values else Announcement.State.IN_PROGRESS
    begin = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=1)
    row = Announcement(environment=environment, kind=kind, state=state, starts_at=begin)
    row.ends_at = begin + timedelta(minutes=8)
    words = wording.filled(form.words(), row, list(project.services.all()))
    pairs = (("ko", words.title_ko, words.body_ko), ("en", words.title_en, words.body_en))
    return [{"language": code, "title": title, "html": markdown.render(body)} for code, title, body in pairs]
