"""Writing an announcement and changing it, with a preview; its state moves by the same form."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from releases import lifecycle, markdown, permissions
from releases.engine import announcements, clock
from releases.engine.errors import EngineError
from releases.models import Announcement, Deployment, Environment
from releases.notices import wording
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import done
from releases.views.grouped_forms import grouped
from releases.views.notice_forms import GROUPS, KINDS, TEXTS, ChooseForm, NoticeForm

FIRST: Final = [lifecycle.SCHEDULED, lifecycle.IN_PROGRESS]


@require_http_methods(["GET", "POST"])
@member_required
def new_notice(request: HttpRequest) -> HttpResponse:
    """Announce maintenance, an incident, or a deployment that is prepared. First: where, and what about."""
    user = signed_in(request)
    if number := request.GET.get("deployment", ""):
        return _new_of_draft(request, _number(number))
    choice = ChooseForm(request.GET if "environment" in request.GET else None)
    operable = Environment.objects.filter(project__in=permissions.projects(user, Need.OPERATE))
    choice.fields["environment"].queryset = operable.select_related("project")  # type: ignore[attr-defined]
    choice.fields["environment"].initial = operable.order_by("-is_production", "position").first()
    if not choice.is_bound or not choice.is_valid():
        choice.initial["kind"] = request.GET.get("kind", KINDS[0])
        context = {"form": choice, "section": "notices"}
        return render(request, "releases/notices/choose.html", context, status=400 if choice.errors else 200)
    environment = choice.cleaned_data["environment"]
    permissions.require(user, Need.OPERATE, environment.project_id)
    kind = choice.cleaned_data["kind"]
    state = lifecycle.IN_PROGRESS if kind == Announcement.Kind.INCIDENT else lifecycle.SCHEDULED
    return _new(request, Announcement(environment=environment, kind=kind, state=state), None)


@require_http_methods(["GET", "POST"])
@member_required
def edit_notice(request: HttpRequest, number: int) -> HttpResponse:
    """Change the words, the times, the state. `?state=` begins with another state and its words."""
    joined = ("environment__project", "deployment__release")
    row = permissions.get(Announcement, signed_in(request), Need.OPERATE, *joined, pk=number)
    with timezone.override(ZoneInfo(row.environment.zone)):
        states = announcements.next_states(row)
        form = NoticeForm(row, states, request.POST or None, initial=_initial(row, request.GET.get("state", "")))
        if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
            tell = form.cleaned_data.get("tell", False)
            if _saved(form, lambda: announcements.edit(row, form.wish(), actor(request), tell=tell)):
                done(request, _("The announcement is saved."))
                return redirect("releases:notice", row.pk)
        return _form_page(request, form, _("Change %s") % row.title(), reverse("releases:notice", args=[row.pk]))


def _new_of_draft(request: HttpRequest, number: int) -> HttpResponse:
    """Of a deployment before its start: what its plan says is filled in."""
    joined = ("environment__project", "plan", "release")
    draft = permissions.get(Deployment, signed_in(request), Need.OPERATE, *joined, pk=number)
    known = Announcement.objects.filter(deployment=draft).first()
    if known is not None:
        return redirect("releases:edit_notice", known.pk)
    row = Announcement(
        environment=draft.environment,
        kind=announcements.kind_of(draft),
        deployment=draft,
        state=lifecycle.SCHEDULED,
    )
    window = draft.environment.next_window(clock.now())
    begins, ends, services = announcements.draft_of(draft, max(window[0], clock.now()) if window else clock.now())
    row.starts_at, row.ends_at = begins.replace(second=0, microsecond=0), ends.replace(second=0, microsecond=0)
    return _new(request, row, draft, services)


def _new(
    request: HttpRequest, row: Announcement, draft: Deployment | None, services: list[Any] | None = None
) -> HttpResponse:
    with timezone.override(ZoneInfo(row.environment.zone)):
        states = [lifecycle.SCHEDULED] if draft else FIRST
        words = wording.words_of(row.environment.project, row.kind, row.state)
        times = {"starts_at": row.starts_at, "ends_at": row.ends_at}
        initial = {**words._asdict(), **times, "state": row.state, "services": services or []}
        form = NoticeForm(row, states, request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
            made: list[Announcement] = []
            post = announcements.announce
            if _saved(form, lambda: made.append(post(row.environment, row.kind, form.wish(), actor(request), draft))):
                done(request, _("It is announced."))
                return redirect("releases:notice", made[0].pk)
        title = _("Announce: %s") % row.get_kind_display()
        return _form_page(request, form, title, reverse("releases:notices"))


def _saved(form: NoticeForm, save: Any) -> bool:
    """Do it; what the engine refuses stands in the form, with the texts as they were written."""
    try:
        save()
    except EngineError as error:
        form.add_error(None, str(error))
        return False
    except lifecycle.ForbiddenTransition:
        form.add_error("state", _("It changed a moment ago; look at the page again and decide anew."))
        return False
    return True


def _initial(row: Announcement, state: str) -> dict[str, Any]:
    """What the row holds; with another state, that and its words, to be changed as one likes."""
    found = {name: getattr(row, name) for name in (*TEXTS, "state", "starts_at", "ends_at")}
    found["services"] = list(row.services.all())
    if state in announcements.next_states(row) and state != row.state:
        words = wording.filled(wording.words_of(row.environment.project, row.kind, state), row)
        found |= {"state": state, **words._asdict()}
    return found


def _form_page(request: HttpRequest, form: NoticeForm, title: str, back: str) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "groups": grouped(form, GROUPS),
        "title": title,
        "back": back,
        "environment": form.row.environment,
        "placeholders": wording.PLACEHOLDERS.items(),
        "section": "notices",
        "preview": _preview(form) if "preview" in request.POST and form.is_valid() else [],
    }
    return render(request, "releases/notices/form.html", context, status=400 if form.errors else 200)


def _preview(form: NoticeForm) -> list[dict[str, Any]]:
    """Both languages as they will be read."""
    wish, row = form.wish(), form.row
    shown = Announcement(environment=row.environment, kind=row.kind, deployment=row.deployment, state=wish.state)
    shown.starts_at, shown.ends_at = wish.starts_at, wish.ends_at
    words = wording.filled(wish.words, shown, list(wish.services))
    pairs = (("ko", words.title_ko, words.body_ko), ("en", words.title_en, words.body_en))
    return [{"language": code, "title": title, "html": markdown.render(body)} for code, title, body in pairs]


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise Http404
    return int(text)
