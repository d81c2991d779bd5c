"""Risks: the eight views, one risk, presses, a host's switch, and constant queries."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.translation import gettext_lazy as _

from releases import markdown
from releases.audit import Actor
from releases.engine import clock, host_looks, risk_rounds, risks
from releases.engine.errors import Conflict, EngineError
from releases.models import AuditEvent, Host, HostLooks, Membership, Notice, Risk, RiskEvent, RiskRound
from releases.risks import consent
from releases.risks.finding import Finding, Target, not_known, ok, risk, say, warning
from releases.risks.places import of_environment
from releases.risks.registry import all_checks, by_kind
from releases.risks.seed import VIEW_OF, VIEWS
from releases.views.blocks.risks import BLOCKS
from tests.factories import World, make_user
from tests.web.notices import channel

BAD = risk(say(_("Everything runs on one machine: when it fails, all services are down.")), say(_("none")))
WARN = warning(say(_("none")), say(_("none")))
GOOD = ok(say(_("none")))
UNKNOWN = not_known(say(_("none")))


def keep(world: World, finding: Finding, kind: str = "single_host", key: str = "x") -> Risk:
    target = Target(key, f"운영 {key}", world.project, world.environment)
    return risks.keep(world.project, by_kind()[kind], target, finding)


@pytest.fixture
def person(world: World) -> Client:
    client = Client(HTTP_HOST="localhost", headers={"accept-language": "en"})
    client.force_login(world.requester)
    return client


def kinds(row: Risk) -> list[str]:
    return list(row.events.order_by("pk").values_list("kind", flat=True))


def test_each_row_of_the_seed_is_looked_at_by_a_check() -> None:
    assert len(VIEWS) == 8
    assert {row for check in all_checks() for row in check.rows} == set(VIEW_OF)


def test_a_risk_opens_and_only_the_check_mends_it(world: World) -> None:
    row = keep(world, BAD)
    assert (row.state, row.seen) == ("open", "risk") and row.opened_at
    keep(world, BAD)
    assert kinds(row) == ["opened"]
    row = keep(world, UNKNOWN)
    assert (row.state, row.seen) == ("open", "not_known")
    row = keep(world, GOOD)
    assert row.state == "mended" and row.mended_at
    row = keep(world, BAD)
    assert row.state == "open" and row.mended_at is None
    assert kinds(row) == ["opened", "seen", "mended", "opened"]
    events = AuditEvent.objects.filter(action__startswith="risk.").order_by("sequence")
    assert list(events.values_list("action", flat=True)) == ["risk.open", "risk.mend", "risk.open"]


def test_what_is_in_order_or_not_known_at_first_is_no_risk(world: World) -> None:
    assert keep(world, GOOD, key="a").state == "clear"
    assert keep(world, UNKNOWN, key="b").state == "clear"
    assert not AuditEvent.objects.filter(action="risk.open").exists()


def test_texts_are_kept_in_both_languages(world: World) -> None:
    row = keep(world, BAD)
    assert row.said["en"].startswith("Everything runs on one machine")
    assert row.said["ko"] and row.said["ko"] != row.said["en"]


def test_an_acceptance_needs_a_reason_and_a_day_and_ends(world: World) -> None:
    row, who = keep(world, WARN), Actor(world.requester)
    now = clock.now()
    for until, reason in ((now + timedelta(days=1), " "), (now, "why"), (now + timedelta(days=400), "why")):
        with pytest.raises(EngineError):
            risks.accept(row, world.requester, who, until, reason)
    risks.accept(row, world.requester, who, now + timedelta(days=1), "few users yet")
    assert keep(world, WARN).state == "accepted"
    assert keep(world, BAD).state == "open"  # worse than what was accepted
    risks.accept(row, world.requester, who, now + timedelta(days=1), "for the weekend")
    risks.expire(now + timedelta(hours=1))
    row.refresh_from_db()
    assert row.state == "accepted"
    risks.expire(now + timedelta(days=2))
    row.refresh_from_db()
    assert (row.state, row.accepted_because, row.accepted_until) == ("open", "", None)
    assert kinds(row) == ["opened", "accepted", "worsened", "accepted", "expired"]


def test_what_got_worse_while_nobody_could_look_was_not_accepted(world: World) -> None:
    row = keep(world, WARN)
    risks.accept(row, world.requester, Actor(world.requester), clock.now() + timedelta(days=1), "few users yet")
    assert keep(world, UNKNOWN).state == "accepted"
    assert keep(world, BAD).state == "open"


def test_the_team_is_told_of_a_risk_that_opens_after_the_first_round(world: World) -> None:
    team, users = channel(world), channel(world, "users", audience="users")
    keep(world, BAD, key="a")
    assert not Notice.objects.exists()
    RiskRound.objects.create(project=world.project, ended_at=clock.now())
    quoted = risk(say("it said <b>*no*</b>"), say(_("none")))
    row = keep(world, quoted, key="b")
    keep(world, quoted, key="b")
    notice = Notice.objects.get()
    assert notice.subject_en == "[Risk] Single machine: 운영 b" and notice.subject_ko.startswith("[위험]")
    assert notice.link == f"/risks/{row.pk}/"
    assert "<b>" not in markdown.render(notice.text_en) and "<em>" not in markdown.render(notice.text_en)
    assert [one.channel for one in notice.deliveries.all()] == [team] and users.deliveries.count() == 0


def test_a_check_that_cannot_say_what_to_look_at_stops_no_round_and_is_not_green(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_project: object) -> list[Target]:
        raise ValueError

    check = by_kind()["single_host"]
    row = keep(world, GOOD)
    checks = (replace(check, targets=broken), by_kind()["superusers"])
    for module in (risk_rounds, risks):
        monkeypatch.setattr(module, "all_checks", lambda: checks)
    assert risk_rounds.look(world.project, clock.now())
    row.refresh_from_db()
    assert (row.seen, row.is_gone) == ("not_known", False)
    assert Risk.objects.filter(kind="superusers").exists()


def test_a_long_address_can_be_kept(world: World) -> None:
    one, other = (of_environment(world.environment, key="a" * 300 + end) for end in "xy")
    assert len(one.key) <= 200 and one.key != other.key


def test_what_is_gone_is_closed_and_comes_back(world: World) -> None:
    row = keep(world, BAD)
    risks.close_gone(world.project, {"memory"}, set())
    row.refresh_from_db()
    assert row.state == "open"  # another check was looked at
    risks.close_gone(world.project, {"single_host"}, set())
    row.refresh_from_db()
    assert row.state == "mended" and row.is_gone
    row = keep(world, BAD)
    assert row.state == "open" and not row.is_gone


def test_history_can_not_be_changed(world: World) -> None:
    from django.db import DatabaseError, transaction

    row = keep(world, BAD)
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        RiskEvent.objects.filter(risk=row).update(kind="mended")
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        RiskEvent.objects.filter(risk=row).delete()


def test_an_owner_is_a_member(world: World) -> None:
    row = keep(world, BAD)
    risks.assign(row, world.approver, world.requester, Actor(world.requester))
    row.refresh_from_db()
    assert row.owner == world.approver
    with pytest.raises(EngineError, match=r"Owner|담당자"):
        risks.assign(row, world.outsider, world.requester, Actor(world.requester))


def test_a_round_looks_at_everything_and_is_held_by_one_worker(world: World) -> None:
    risk_rounds.ask(world.project, world.requester, Actor(world.requester))
    with pytest.raises(Conflict):
        risk_rounds.ask(world.project, world.requester, Actor(world.requester))
    risk_rounds.carry_out(world.project.pk)
    done = RiskRound.objects.get(project=world.project)
    assert done.ended_at is not None and not risk_rounds.is_busy(done, clock.now())
    seen = {row.kind: row for row in Risk.objects.filter(project=world.project)}
    assert seen["single_host"].seen == "risk"
    assert seen["memory"].seen == "not_known"  # nobody switched the host's checks on
    first = seen["single_host"].looked_at
    risk_rounds.carry_out(world.project.pk)  # delivered twice: not due
    assert Risk.objects.get(pk=seen["single_host"].pk).looked_at == first
    RiskRound.objects.update(began_at=clock.now(), ended_at=None)
    risk_rounds.carry_out(world.project.pk)
    assert Risk.objects.get(pk=seen["single_host"].pk).looked_at == first


def test_the_page_shows_the_seed_and_the_checks(world: World, person: Client) -> None:
    RiskRound.objects.create(project=world.project)
    risk_rounds.carry_out(world.project.pk)
    page = person.get("/risks/", headers={"accept-language": "ko"}).content.decode()
    for view in VIEWS:
        for row in view.rows:
            assert row.problem.ko in page or row.problem.en in page
    assert "Everything runs on one machine" in page or "한 대" in page


def test_the_page_of_a_risk_takes_presses(world: World, person: Client) -> None:
    row = keep(world, BAD)
    path = f"/risks/{row.pk}/"
    assert person.get(path).status_code == 200
    assert person.post(f"{path}assign", {"owner": world.approver.pk}).status_code == 302
    refused = person.post(f"{path}accept", {"until": "2020-01-01", "reason": ""})
    assert refused.status_code == 400
    until = (clock.now() + timedelta(days=10)).date()
    secret = person.post(f"{path}accept", {"until": until, "reason": "PGPASSWORD=hunter2 psql"})
    assert secret.status_code == 400 and b"not_a_secret" in secret.content
    assert person.post(f"{path}accept", {"until": until, "reason": "few users"}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.owner, row.accepted_because) == ("accepted", world.approver, "few users")
    assert b"few users" in person.get(path).content
    assert person.post(f"{path}reopen").status_code == 302
    assert person.post(f"{path}reopen").status_code == 409


def test_accepting_is_for_managers(world: World) -> None:
    row, operator = keep(world, BAD), make_user("operator")
    Membership.objects.create(project=world.project, user=operator, can_operate=True)
    client = Client(HTTP_HOST="localhost")
    client.force_login(operator)
    until = (clock.now() + timedelta(days=10)).date()
    assert client.post(f"/risks/{row.pk}/accept", {"until": until, "reason": "x"}).status_code == 403
    assert client.post(f"/risks/{row.pk}/assign", {"owner": ""}).status_code == 302


def test_a_host_is_switched_on_by_who_read_the_commands(world: World, person: Client) -> None:
    path = f"/hosts/{world.host.pk}/risks"
    page = person.get(path)
    assert b"cat /proc/meminfo" in page.content and b"TCP connect 127.0.0.1:5432" in page.content
    assert not consent.is_on(world.host)
    assert person.post(f"{path}/switch", {"on": "1", "digest": "0" * 64}).status_code == 409
    assert person.post(f"{path}/switch", {"on": "1", "digest": page.context["digest"]}).status_code == 302
    host = Host.objects.select_related("environment__project", "looks").get(pk=world.host.pk)
    assert consent.is_on(host)
    # Other folders are other commands.
    lines = {"ports": "5432\n5433", "folders": "/srv", "secret_files": "", "units": "spring-boot"}
    assert person.post(f"{path}/set", lines).status_code == 302
    host = Host.objects.select_related("environment__project", "looks").get(pk=world.host.pk)
    assert host.looks.ports == [5432, 5433] and not consent.is_on(host)
    assert person.post(f"{path}/switch", {"on": "1", "digest": consent.digest_of(host)}).status_code == 302
    assert person.post(f"{path}/switch").status_code == 302
    assert HostLooks.objects.get(host=host).digest == ""
    actions = list(AuditEvent.objects.filter(action__startswith="host.looks").values_list("action", flat=True))
    assert sorted(actions) == ["host.looks", "host.looks_off", "host.looks_on", "host.looks_on"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("ports", "0"), ("ports", "x"), ("folders", "app"), ("folders", ""), ("units", "a;reboot"), ("units", "--all")],
)
def test_bad_lines_are_refused_by_field(world: World, person: Client, field: str, value: str) -> None:
    lines = {"ports": "5432", "folders": "/app", "secret_files": "", "units": "nginx", field: value}
    answer = person.post(f"/hosts/{world.host.pk}/risks/set", lines)
    assert answer.status_code == 400
    assert field in answer.context["form"].errors


def test_another_address_is_another_host(world: World) -> None:
    host = Host.objects.select_related("environment__project").get(pk=world.host.pk)
    host_looks.switch_on(host, world.requester, Actor(world.requester), consent.digest_of(host))
    Host.objects.filter(pk=host.pk).update(address="192.0.2.7")
    assert not consent.is_on(Host.objects.select_related("environment__project", "looks").get(pk=host.pk))


@pytest.fixture
def many(world: World) -> Iterator[None]:
    for n in range(60):
        keep(world, BAD if n % 2 else WARN, key=f"more {n}")
        keep(world, GOOD, kind="memory", key=f"host {n}")
    yield


@pytest.mark.parametrize("path", ["/risks/", "/risks/?seen=risk", "/"])
def test_queries_do_not_grow(world: World, person: Client, path: str, request: pytest.FixtureRequest) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    keep(world, BAD)
    person.get(path)
    with CaptureQueriesContext(connection) as few:
        person.get(path)
    request.getfixturevalue("many")
    with CaptureQueriesContext(connection) as lots:
        page = person.get(path)
    assert len(lots) <= len(few)
    if "seen" in path:
        assert len(page.context["entries"]) == 31 and page.context["page_obj"].paginator.per_page == 50


def test_the_block_counts_by_view(world: World) -> None:
    keep(world, BAD)
    context = BLOCKS["risks"].context(world.project)
    found = {one["view"].key: one["worst"] for one in context["views"]}
    assert found["availability"]["n"] == 1 and found["availability"]["shape"] == "failed"
    assert found["cost"] is None


def test_a_host_with_risks_can_be_removed(world: World) -> None:
    target = Target(f"host {world.host.pk}", "prod-1", world.project, world.environment, world.host)
    row = risks.keep(world.project, by_kind()["memory"], target, BAD)
    world.host.delete()
    row.refresh_from_db()
    assert row.host is None
