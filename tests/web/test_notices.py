"""Pages of announcements: reading, writing, channels, the delivery log, words."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from releases.models import Announcement, AuditEvent, Channel, Delivery, Membership, Notice, Wording
from tests.factories import World, make_user
from tests.web import notices as rows

TEXTS = {"title_ko": "점검", "title_en": "Upkeep", "body_ko": "본문", "body_en": "**soon** <script>alert(1)</script>"}


@pytest.fixture
def operator(world: World) -> Client:
    client = Client(HTTP_HOST="localhost", HTTP_ACCEPT_LANGUAGE="en")
    client.force_login(world.requester)
    world.requester.language = "en"
    world.requester.save()
    return client


def page(client: Client, path: str, code: int = 200) -> str:
    answer = client.get(path, headers={"accept-language": "en"})
    assert answer.status_code == code, answer
    return answer.content.decode()


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        page(client, path)
    return len(caught)


def new_path(world: World, kind: str = "maintenance") -> str:
    return f"/notices/new?environment={world.environment.pk}&kind={kind}"


def test_a_person_announces_maintenance(world: World, operator: Client) -> None:
    rows.channel(world)
    assert "scheduled maintenance" in page(operator, new_path(world))
    data = {**TEXTS, "state": "scheduled", "starts_at": "2026-12-01T02:00", "ends_at": "2026-12-01T02:10"}
    data["body_ko"] = "{starts_at}부터 {downtime_minutes}분"
    answer = operator.post(new_path(world), data)
    row = Announcement.objects.get()
    assert answer["Location"] == f"/notices/{row.pk}/"
    assert row.starts_at is not None and row.starts_at.isoformat() == "2026-11-30T17:00:00+00:00"  # in Asia/Seoul
    assert row.body_ko == "2026-12-01(화) 02:00 KST부터 10분"
    assert (row.created_by, row.kind, row.state) == (world.requester, "maintenance", "scheduled")
    assert Delivery.objects.count() == 1
    assert AuditEvent.objects.filter(action="announcement.post").count() == 1
    shown = page(operator, f"/notices/{row.pk}/")
    assert "<strong>soon</strong>" in shown
    assert "<script>alert" not in shown


def test_a_preview_changes_nothing(world: World, operator: Client) -> None:
    data = {**TEXTS, "state": "scheduled", "starts_at": "2026-12-01T02:00", "preview": "1"}
    answer = operator.post(new_path(world), data)
    assert "<strong>soon</strong>" in answer.content.decode()
    assert not Announcement.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"body_en": "see {nothing}"}, "Nothing is called {nothing} here"),
        ({"title_ko": "{version"}, ""),
        ({"title_en": ""}, "필수"),
        ({"ends_at": "2026-12-01T01:00"}, "after the beginning"),
        ({"starts_at": ""}, "Say when it is planned to begin"),
        ({"state": "done"}, "done"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(
    world: World, operator: Client, change: dict[str, str], said: str
) -> None:
    data = {**TEXTS, "state": "scheduled", "starts_at": "2026-12-01T02:00", "ends_at": "2026-12-01T02:10", **change}
    answer = operator.post(new_path(world), data)
    if not said:  # a brace alone is no placeholder
        assert answer.status_code == 302
        return
    assert answer.status_code == 400
    form = answer.context["form"]
    assert set(form.errors) <= {*change, "ends_at"} and form.errors
    assert not Announcement.objects.exists()


def test_an_incident_is_moved_by_a_person_with_updates(world: World, operator: Client) -> None:
    operator.post(new_path(world, "incident"), {**TEXTS, "state": "in_progress"})
    row = Announcement.objects.get()
    path = f"/notices/{row.pk}/edit"
    assert "disruption solved" in page(operator, f"{path}?state=done")
    update = {**TEXTS, "title_en": "Mended", "state": "verifying"}
    assert operator.post(path, update).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.title_en) == ("verifying", "Mended")
    assert operator.post(path, {**update, "state": "scheduled"}).status_code == 400  # the table does not allow it
    said = list(row.revisions.order_by("pk").values_list("state", "title_en"))
    assert said == [("in_progress", "Upkeep"), ("verifying", "Mended")]
    shown = page(operator, f"/notices/{row.pk}/")
    assert "Upkeep" in shown and "Mended" in shown


def test_new_words_are_told_only_when_asked(world: World, operator: Client) -> None:
    row = rows.announced(world)
    path = f"/notices/{row.pk}/edit"
    times = {
        name: timezone.localtime(getattr(row, name)).strftime("%Y-%m-%dT%H:%M") for name in ("starts_at", "ends_at")
    }
    assert operator.post(path, {**TEXTS, **times, "state": "scheduled"}).status_code == 302
    assert Notice.objects.filter(announcement=row).count() == 1
    assert (
        operator.post(path, {**TEXTS, **times, "title_en": "Now", "state": "scheduled", "tell": "on"}).status_code
        == 302
    )
    assert list(Notice.objects.filter(announcement=row).order_by("pk").values_list("event", flat=True)) == [
        "scheduled", "edited",
    ]  # fmt: skip


def test_a_draft_is_announced_before_its_start(world: World, operator: Client) -> None:
    draft = world.draft()
    path = f"/notices/new?deployment={draft.pk}"
    assert f'href="{path}"' in page(operator, f"/deployments/{draft.pk}/")
    page(operator, path)
    answer = operator.post(path, {**TEXTS, "state": "scheduled", "starts_at": "2026-12-01T02:00"})
    assert answer.status_code == 302
    assert Announcement.objects.get().deployment == draft
    assert operator.get(path).status_code == 302  # to what is there


def test_while_it_runs_its_deployment_says_how_it_stands(world: World, operator: Client) -> None:
    draft = world.draft()
    row = rows.announced(world)
    Announcement.objects.filter(pk=row.pk).update(deployment=draft)
    draft.__class__.objects.filter(pk=draft.pk).update(status="running", started_at=timezone.now())
    path = f"/notices/{row.pk}/edit"
    assert 'name="state"' not in page(operator, path)
    assert operator.post(path, {**TEXTS, "state": "done"}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.title_en) == ("scheduled", "Upkeep")


def test_a_viewer_reads_and_writes_nothing(world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client = Client(HTTP_HOST="localhost")
    client.force_login(viewer)
    row = rows.announced(world)
    made = rows.channel(world)
    assert f"/notices/{row.pk}/edit" not in page(client, f"/notices/{row.pk}/")
    assert client.get(new_path(world)).status_code == 400  # no environment to choose from
    assert client.post(new_path(world), TEXTS).status_code in {400, 403}
    assert client.post(f"/channels/{made.pk}/test").status_code == 403
    assert not Notice.objects.filter(event="test").exists()


def channel_data(world: World, **change: Any) -> dict[str, Any]:
    data = {"project": world.project.pk, "name": "Slack", "kind": "chat", "enabled": "on", "audience": "team"}
    return {**data, "language": "en", "events": ["scheduled", "team"], "address": rows.ADDRESS, **change}


def test_an_address_goes_one_way(world: World, operator: Client) -> None:
    assert operator.post("/channels/new", channel_data(world)).status_code == 302
    made = Channel.objects.get()
    assert (made.hint, made.events) == ("json", ["scheduled", "team"])
    assert b"very-secret" not in bytes(made.ciphertext)
    sealed = bytes(made.ciphertext)
    path = f"/channels/{made.pk}/edit"
    for shown in (page(operator, "/channels/"), page(operator, path), page(operator, "/audit/")):
        assert "very-secret" not in shown and "pass-word" not in shown
    assert operator.post(path, channel_data(world, name="Team", address="")).status_code == 302
    made.refresh_from_db()
    assert (made.name, bytes(made.ciphertext)) == ("Team", sealed)
    refused = operator.post(path, channel_data(world, name="", address=rows.ADDRESS))
    assert refused.status_code == 400
    assert "very-secret" not in refused.content.decode()
    assert "very-secret" not in repr(list(AuditEvent.objects.values("detail")))


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("chat", "nonsense://x"), ("chat", "syslog://"), ("chat", "mailto://user:pass@example.com"),
        ("chat", "json://"),
        ("chat", "jsons://example.com/hook?verify=no"),
        ("email", "nobody"), ("email", "a@example.com, b"), ("chat", ""),
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(world: World, operator: Client, kind: str, address: str) -> None:
    answer = operator.post("/channels/new", channel_data(world, kind=kind, address=address))
    assert answer.status_code == 400
    assert set(answer.context["form"].errors) == {"address"}
    assert not Channel.objects.exists()


def test_pasted_webhooks_of_slack_and_discord_are_known(world: World, operator: Client) -> None:
    slack = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"  # an example of its manual
    assert operator.post("/channels/new", channel_data(world, address=slack)).status_code == 302
    assert Channel.objects.get().hint == "hooks.slack.com"
    mails = channel_data(world, name="Mail", kind="email", address="users@example.com, more@example.com")
    assert operator.post("/channels/new", mails).status_code == 302
    assert Channel.objects.get(kind="email").hint == "u•••@example.com +1"


def test_the_log_tells_why_and_tries_again(world: World, operator: Client) -> None:
    delivery = rows.failed(rows.channel(world))
    shown = page(operator, "/deliveries/")
    assert "The receiver answered 500." in shown
    assert operator.post(f"/deliveries/{delivery.pk}/again").status_code == 302
    delivery.refresh_from_db()
    assert delivery.state == "pending"
    assert operator.post(f"/deliveries/{delivery.pk}/again").status_code == 409
    assert "Subject" not in page(operator, "/deliveries/?state=failed")


def test_removing_a_channel_forgets_its_address(world: World, operator: Client) -> None:
    made = rows.channel(world)
    assert operator.post(f"/channels/{made.pk}/remove").status_code == 302
    made.refresh_from_db()
    assert (bytes(made.ciphertext), made.enabled) == (b"", False)
    assert operator.post(f"/channels/{made.pk}/remove").status_code == 409
    assert operator.post(f"/channels/{made.pk}/test").status_code == 409
    assert operator.post("/channels/new", channel_data(world, name="team")).status_code == 302  # the name is free


def test_a_project_has_words_of_its_own(world: World, operator: Client) -> None:
    base = f"/projects/{world.project.pk}/wordings"
    query = "?kind=maintenance&stage=scheduled"
    assert "scheduled maintenance" in page(operator, base)
    own = {"title_ko": "{project} 쉬어요", "title_en": "{project} rests", "body_ko": "", "body_en": ""}
    assert operator.post(f"{base}/edit{query}", {**own, "preview": "1"}).status_code == 200
    assert not Wording.objects.exists()
    assert operator.post(f"{base}/edit{query}", {**own, "title_en": "{who}"}).status_code == 400
    assert operator.post(f"{base}/edit{query}", own).status_code == 302
    assert "{project} rests" in page(operator, new_path(world))
    assert operator.post(f"{base}/reset{query}").status_code == 302
    assert operator.post(f"{base}/reset{query}").status_code == 409
    assert operator.get(f"{base}/edit?kind=nothing&stage=done").status_code == 404
    assert AuditEvent.objects.filter(action__startswith="wording.").count() == 2


def test_pages_ask_the_same_number_of_questions_however_much_there_is(world: World, operator: Client) -> None:
    row, made = rows.announced(world), rows.channel(world)
    rows.failed(made)
    paths = ["/notices/", f"/notices/{row.pk}/", "/channels/", "/deliveries/", f"/projects/{world.project.pk}/wordings"]
    for path in paths:
        page(operator, path)
    few = {path: queries(operator, path) for path in paths}
    for number in range(5):
        rows.failed(rows.channel(world, f"channel {number}"))
        rows.announced(world)
        row.refresh_from_db()
        row.revisions.create(state="done", title_ko="a", title_en=f"b{number}")
    assert {path: queries(operator, path) for path in paths} == few


def test_a_planned_time_that_passed_is_pointed_out(world: World, operator: Client) -> None:
    row = rows.announced(world)
    Announcement.objects.filter(pk=row.pk).update(starts_at=timezone.now() - timedelta(hours=1))
    assert "Its planned beginning has passed" in page(operator, f"/notices/{row.pk}/")


def test_the_list_is_filtered(world: World, operator: Client) -> None:
    rows.announced(world)
    rows.announced(world, "incident")
    shown = page(operator, "/notices/?kind=incident")
    assert "a disruption is expected" in shown and "scheduled maintenance" not in shown
    assert "No announcement" in page(operator, "/notices/?state=done")
