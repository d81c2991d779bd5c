"""Backups: what a rollback could use."""

import django_filters
from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from releases import permissions
from releases.actions.fingerprint import Fingerprint
from releases.engine import backup_proofs, backup_returns, retention
from releases.models import Backup, Environment, Removal
from releases.permissions import Need, actor, member_required, signed_in
from releases.views.answers import verb

PAGE = 50
TABLES = 50  # the largest ones of a dump that its page shows
PROOFS = 20  # the newest ones of a backup that its page shows
PARTS = ("environment__project", "service", "host", "release", "deployment", "order", "created_by", "removed_by")


def _environments(request: HttpRequest) -> QuerySet[Environment]:
    return permissions.visible(Environment, signed_in(request))


class BackupFilter(django_filters.FilterSet):
    """Where and what."""

    environment = django_filters.ModelChoiceFilter(label=gettext_lazy("Environment"), queryset=_environments)  # type: ignore[arg-type]
    kind = django_filters.ChoiceFilter(label=gettext_lazy("Kind"), choices=Backup.Kind.choices)
    name = django_filters.CharFilter(label=gettext_lazy("Name"), lookup_expr="icontains")
    removed = django_filters.BooleanFilter(
        label=gettext_lazy("Removed ones, too"), method="with_removed", widget=forms.CheckboxInput
    )

    class Meta:
        model = Backup
        fields: list[str] = []

    def with_removed(self, rows: QuerySet[Backup], _name: str, wanted: bool) -> QuerySet[Backup]:
        """Those that are gone stay on record; they are shown to who asks for them."""
        return rows if wanted else rows.filter(removed_at__isnull=True)


@require_GET
@member_required
def backups(request: HttpRequest) -> HttpResponse:
    """Every backup of one's projects, newest first."""
    rows = permissions.visible(Backup, signed_in(request)).order_by("-created_at", "-pk")
    rows = rows.select_related("environment", "service", "host", "release", "created_by").defer("facts")
    found = BackupFilter(request.GET, rows, request=request)
    page = Paginator(found.qs, PAGE).get_page(request.GET.get("page"))
    return render(request, "releases/backups.html", {"page_obj": page, "filter": found})


@require_GET
@member_required
def backup(request: HttpRequest, number: int) -> HttpResponse:
    """One backup: what it holds, and every time a restore of it was tried."""
    user = signed_in(request)
    found = permissions.get(Backup, user, Need.VIEW, *PARTS, pk=number)
    held = Fingerprint(**found.facts) if found.facts else Fingerprint()
    tables = sorted(held.tables.items(), key=lambda entry: (-entry[1][0], entry[0]))
    returns = list(found.returns.select_related("asked_by")[:PROOFS])
    proofs = list(found.proofs.select_related("asked_by", "attempt__step")[:PROOFS])
    context = {
        "backup": found,
        "held": held if found.facts else None,
        "tables": tables[:TABLES],
        "more_tables": max(0, len(tables) - TABLES),
        "proofs": proofs,
        "is_proving": bool(proofs) and proofs[0].ended_at is None,
        "returns": returns,
        "is_returning": bool(returns) and returns[0].ended_at is None,
        "may_prove": found.host_id is not None
        and found.removed_at is None
        and permissions.may(user, Need.OPERATE, found.environment.project_id),
        "may_remove": found.removed_at is None and permissions.may(user, Need.MANAGE, found.environment.project_id),
        "needed_because": "" if found.removed_at else retention.why_needed(found.environment).get(found.pk, ""),
    }
    part = "#seen" if "HX-Request" in request.headers else ""
    return render(request, f"releases/backup.html{part}", context)


@verb
def prove(request: HttpRequest, number: int) -> HttpResponse:
    """Have it restored to a throw-away place and compared."""
    found = permissions.get(Backup, signed_in(request), Need.OPERATE, "environment__project", pk=number)
    backup_proofs.ask(found, signed_in(request), actor(request))
    return redirect("releases:backup", found.pk)


@verb
def send_back(request: HttpRequest, number: int) -> HttpResponse:
    """Send the store's copy to the place on its host again."""
    found = permissions.get(Backup, signed_in(request), Need.OPERATE, "environment__project", pk=number)
    backup_returns.ask(found, signed_in(request), actor(request))
    return redirect("releases:backup", found.pk)


@verb
def remove(request: HttpRequest, number: int) -> HttpResponse:
    """Give a backup up that nobody needs; its bytes are erased where they lie."""
    found = permissions.get(Backup, signed_in(request), Need.MANAGE, "environment__project", pk=number)
    retention.remove(found, actor(request), Removal.PERSON)
    return redirect("releases:backup", found.pk)
