"""A change and the word that its text is no secret are kept together or not at all."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from releases.audit import THE_SYSTEM
from releases.engine import wiki
from releases.models import (
    Announcement,
    AnnouncementRevision,
    AuditEvent,
    Risk,
    RiskEvent,
    WikiPage,
    WikiRevision,
    Wording,
)
from releases.risks.stored_secrets import INSISTED
from tests.factories import World
from tests.refusals import no_record_of
from tests.web.risk_rows import a_risk
from tests.web.test_secret_fields import SECRET, TEXT

TEXTS = {"title_ko": "점검", "title_en": "Upkeep", "body_ko": "본문", "body_en": TEXT}
OLD = TEXTS | {"body_en": "plain"}
TABLES = (Announcement, AnnouncementRevision, Risk, RiskEvent, WikiPage, WikiRevision, Wording, AuditEvent)
# What is pressed, and what the log calls it.
PRESSES = {
    "new page": "wiki.create",
    "edited page": "wiki.save",
    "imported page": "wiki.import",
    "accepted risk": "risk.accept",
    "own words": "wording.set",
    "new announcement": "announcement.post",
    "edited announcement": "announcement.edit",
}


def press(world: World, kind: str) -> tuple[str, dict[str, Any]]:
    """Where to and what is sent; makes the row that is changed."""
    project, place = world.project, world.environment
    if kind == "new page":
        return "/wiki/new", {**TEXTS, "project": project.pk, "kind": "page", "slug": "upkeep"}
    if kind == "edited page":
        page = wiki.create_page(project, OLD, "upkeep", None, "page", THE_SYSTEM)
        return f"/wiki/{page.pk}/edit", {**TEXTS, "kind": "page", "base": 1, "note": ""}
    if kind == "imported page":
        return "/wiki/import", {"project": project.pk, "text": f"# Upkeep\n\n{TEXT}\n", "make": "1"}
    if kind == "accepted risk":
        until = (timezone.now() + timedelta(days=9)).date().isoformat()
        return f"/risks/{a_risk(world).pk}/accept", {"until": until, "reason": TEXT}
    if kind == "own words":
        return f"/projects/{project.pk}/wordings/edit?kind=deploy&stage=done", TEXTS
    new = f"/notices/new?environment={place.pk}&kind=incident"
    if kind == "new announcement":
        return new, {**TEXTS, "state": "in_progress"}
    row = Announcement.objects.create(environment=place, kind="incident", state="in_progress", **OLD)
    return f"/notices/{row.pk}/edit", {**TEXTS, "state": "in_progress"}


def rows() -> list[list[dict[str, Any]]]:
    return [list(model._default_manager.order_by("pk").values()) for model in TABLES]


@pytest.mark.parametrize("refused", ["the word", "the change"])
@pytest.mark.parametrize("kind", PRESSES)
def test_what_cannot_be_recorded_is_not_done(world: World, kind: str, refused: str) -> None:
    client = Client(HTTP_HOST="localhost", raise_request_exception=False)
    client.force_login(world.requester)
    path, form = press(world, kind)
    form["not_a_secret"] = "on"
    before = rows()
    with no_record_of(INSISTED if refused == "the word" else PRESSES[kind]):
        assert client.post(path, form).status_code == 500
    assert rows() == before
    assert client.post(path, form).status_code == 302
    kept = AuditEvent.objects.order_by("-sequence").values_list("action", flat=True)[:2]
    assert set(kept) == {INSISTED, PRESSES[kind]}
    assert SECRET not in str(AuditEvent.objects.filter(action=INSISTED).values_list("detail", flat=True))
