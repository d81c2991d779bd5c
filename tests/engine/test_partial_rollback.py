"""One service back alone, beside the others as they are; and back over several deployments at once."""

import uuid
from collections.abc import Iterator

import pytest
from django.utils.translation import override

from releases import compatibility, lifecycle, way_back
from releases.audit import Actor, verify
from releases.compatibility import Part
from releases.engine import clock, recovery, retention, roll_back, undoing
from releases.engine.errors import Blocked, EngineError
from releases.models import Backup, Compatibility, Deployment, Release, Service
from releases.way_back import WayBack
from tests.engine.stage import runbook
from tests.engine.team import Team
from tests.factories import save_version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def parts(team: Team) -> Iterator[Team]:
    """The team's rollback runbook, with steps of the two services apart; each release brings files of its own."""
    for key, kind in (("frontend", "frontend"), ("database", "database")):
        Service.objects.create(project=team.world.project, key=key, name=key.title(), kind=kind)
    jar = {"path": str(team.app / "app.jar"), "link": "app.jar.bak"}
    pages = {"path": str(team.app / ".next"), "link": ".next.bak", "folder": True}
    steps = [
        team.step("stop", "shell", {"command": "true"}, service="backend", opens_downtime=True),
        team.step("jar", "restore_files", {"files": [jar], "service": "backend"}),
        team.step("pages", "restore_files", {"files": [pages], "service": "frontend"}),
        team.step("data", "restore_database", team.server.parameters, condition="schema_changed", service="database"),
        team.step("start", "shell", {"command": "true"}, service="frontend", closes_downtime=True),
        team.step("verify", "shell", {"command": f"test -s {team.app}/app.jar"}),
    ]
    assert team.environment.rollback_runbook is not None
    save_version(team.environment.rollback_runbook, runbook(steps, kind="rollback"))
    change = f"cd {team.app} && echo {{version}} > app.jar && echo {{version}} > .next/BUILD_ID"
    team.deploy_steps[2]["parameters"] = {"command": change}
    team.world.save_runbook(team.deploy_runbook())
    yield team
    assert list(verify()) == []


def service(team: Team, key: str) -> Service:
    return team.world.project.services.get(key=key)


def draft(team: Team, undoes: Deployment, key: str = "", first: Deployment | None = None) -> Deployment:
    way = WayBack(undoes, first, service(team, key) if key else None)
    user = team.world.requester
    return roll_back.draft(way, user, Actor(user), uuid.uuid4().hex)[0]


def say(team: Team, one: Part, other: Part, works: bool | None, reason: str = "the login differs") -> None:
    user = team.world.approver
    compatibility.decide(one, other, works, reason, user, Actor(user))


def files(team: Team) -> tuple[str, str]:
    jar, page, _rows = team.seen()
    return jar.strip(), page.strip()


def test_one_service_goes_back_and_the_rest_stays(parts: Team) -> None:
    parts.deploy("v1")
    second = parts.deploy("v2", "UPDATE meal SET name = 'v2';")
    back = draft(parts, second, "backend")
    assert [entry["name"] for entry in back.plan.content["rollback"]["backups"]] == ["app.jar.bak"]
    assert parts.run(back).status == lifecycle.SUCCEEDED
    assert files(parts) == ("v1", "v2")
    assert parts.seen()[2] == [(50, "v2", "v2")], "the database is another service"
    left_out = set(back.steps.filter(status=lifecycle.SKIPPED).values_list("key", "reason"))
    assert left_out == {(key, "other_service") for key in ("pages", "data", "start")}
    assert back.downtime_opened_at is not None and back.downtime_closed_at is not None
    # The environment as a whole still runs v2, and all of v2 can still be undone.
    environment = parts.environment
    backend = service(parts, "backend")
    assert (way_back.running(environment).version, way_back.running(environment, backend).version) == ("v2", "v1")  # type: ignore[union-attr]
    assert way_back.put_back([environment.pk]) == {environment.pk: {backend: back.release}}
    assert undoing.is_undoable(second) and undoing.undone_by(second) is None
    whole = parts.run(draft(parts, second))
    assert (whole.status, whole.release.version, files(parts)) == (lifecycle.SUCCEEDED, "v1", ("v1", "v1"))
    assert parts.seen()[2] == [(50, "old", "old")]
    assert way_back.put_back([environment.pk]) == {}


def test_what_ran_together_is_recorded_and_a_persons_word_stands_above_it(parts: Team) -> None:
    first = parts.deploy("v1")
    second = parts.deploy("v2")
    assert parts.run(draft(parts, second, "frontend")).status == lifecycle.SUCCEEDED
    row = Compatibility.objects.get()
    assert row.works and row.decided_by is None and row.deployment is not None
    page = Part(service(parts, "frontend"), first.release)
    backend = Part(service(parts, "backend"), second.release)
    assert compatibility.matrix(page.service, backend.service, [first.release, second.release]) == {
        (first.release.pk, second.release.pk): row
    }
    say(parts, backend, page, False)
    with override("en"):
        said = compatibility.broken(WayBack(second, None, page.service))
    assert said == "Frontend v1 and Backend v2 are known not to work together. the login differs"
    row.refresh_from_db()
    assert (row.works, row.decided_by, row.deployment) == (False, parts.world.approver, None)
    say(parts, backend, page, None)
    assert not Compatibility.objects.exists()


def test_a_pair_that_does_not_work_shuts_the_gate_of_a_draft(parts: Team) -> None:
    first, second = parts.deploy("v1"), parts.deploy("v2")
    back = draft(parts, second, "backend")
    say(parts, Part(service(parts, "frontend"), second.release), Part(service(parts, "backend"), first.release), False)
    with pytest.raises(Blocked) as refused:
        parts.run(back)
    assert [blocker.code for blocker in refused.value.blockers] == ["incompatible"]
    assert files(parts) == ("v2", "v2")
    # Of everything it is no question: nothing of v2 stays.
    assert parts.run(draft(parts, second)).status == lifecycle.SUCCEEDED


def test_an_unchanged_database_is_the_same_in_both_releases(parts: Team) -> None:
    first, second = parts.deploy("v1"), parts.deploy("v2")
    jar = Part(service(parts, "backend"), first.release)
    say(parts, jar, Part(service(parts, "database"), second.release), False)
    assert parts.run(draft(parts, second, "backend")).status == lifecycle.SUCCEEDED
    third = parts.deploy("v3", "UPDATE meal SET name = 'v3';")
    say(parts, Part(service(parts, "backend"), first.release), Part(service(parts, "database"), third.release), False)
    with override("en"), pytest.raises(EngineError, match="Database v3"):
        draft(parts, third, "backend")


def test_a_part_put_back_is_what_the_next_deployment_found(parts: Team) -> None:
    first, second = parts.deploy("v1"), parts.deploy("v2")
    parts.run(draft(parts, second, "backend"))
    third = parts.deploy("v3")
    jar = Backup.objects.filter(name="app.jar.bak").latest("pk")
    assert jar.deployment == third
    back = draft(parts, third, "backend")
    assert back.release == first.release, "the backend that v3 replaced was v1's"
    assert parts.run(back).status == lifecycle.SUCCEEDED
    assert files(parts) == ("v1", "v3")


def test_a_service_without_steps_can_not_go_back_alone(parts: Team) -> None:
    second = parts.deploy("v2")
    Service.objects.create(project=parts.world.project, key="nginx", name="Nginx", kind="proxy")
    with override("en"), pytest.raises(EngineError, match="Write service: nginx at the steps"):
        draft(parts, second, "nginx")


def test_back_over_several_deployments_at_once(parts: Team) -> None:
    """The oldest backup of each thing is what ran before the first; the database with it, since one of them changed."""
    parts.deploy("v1")
    second = parts.deploy("v2", "UPDATE meal SET name = 'v2';")
    third, fourth = parts.deploy("v3"), parts.deploy("v4")
    assert [row.release.version for row in undoing.choices(fourth)] == ["v3", "v2", "v1"]
    back = draft(parts, fourth, first=second)
    assert back.plan.content["rollback"]["together"] == [second.pk, third.pk, fourth.pk]
    done = parts.run(back)
    assert (done.status, done.release.version) == (lifecycle.SUCCEEDED, "v1")
    assert (*files(parts), parts.seen()[2]) == ("v1", "v1", [(50, "old", "old")])
    assert [undoing.undone_by(row) for row in (second, third, fourth)] == [done] * 3
    left = undoing.standing([parts.environment.pk])[parts.environment.pk]
    assert left.release.version == "v1" and undoing.is_undoable(left)
    with override("en"), pytest.raises(EngineError, match="was rolled back already"):
        draft(parts, third)


def test_one_service_over_several_deployments(parts: Team) -> None:
    parts.deploy("v1")
    second, third = parts.deploy("v2"), parts.deploy("v3")
    done = parts.run(draft(parts, third, "frontend", first=second))
    assert (done.status, done.release.version, files(parts)) == (lifecycle.SUCCEEDED, "v1", ("v3", "v1"))
    assert undoing.is_undoable(third) and undoing.undone_by(second) is None


def test_only_what_stands_is_offered_as_the_first(parts: Team) -> None:
    first, second = parts.deploy("v1"), parts.deploy("v2")
    parts.run(draft(parts, second))
    third = parts.deploy("v3")
    assert undoing.choices(third) == [first]
    with override("en"), pytest.raises(EngineError, match="not one of those"):
        draft(parts, third, first=second)
    with override("en"), pytest.raises(EngineError, match="did not begin before"):
        draft(parts, third, first=third)


def test_a_press_is_bound_to_its_way(parts: Team) -> None:
    parts.deploy("v1")
    second = parts.deploy("v2")
    user, key = parts.world.requester, uuid.uuid4().hex
    made, _new = roll_back.draft(WayBack(second), user, Actor(user), key)
    assert roll_back.draft(WayBack(second), user, Actor(user), key) == (made, False)
    with override("en"), pytest.raises(EngineError, match="used for another"):
        roll_back.draft(WayBack(second, None, service(parts, "backend")), user, Actor(user), key)


def test_the_release_of_a_backup_is_that_of_its_service(parts: Team) -> None:
    first, second = parts.deploy("v1"), parts.deploy("v2")
    parts.deploy_steps[0]["parameters"]["service"] = "backend"
    parts.world.save_runbook(parts.deploy_runbook())
    parts.run(draft(parts, second, "backend"))
    parts.deploy("v3")
    assert Backup.objects.filter(name="app.jar.bak").latest("pk").release == first.release
    assert Backup.objects.filter(kind="database").latest("pk").release == Release.objects.get(version="v2")


def test_a_partial_rollback_hides_nothing_that_stopped_half_way(parts: Team) -> None:
    """v2 changed the schema and failed; after a part was put back, v3 is undone together with it, down to v1."""
    first = parts.deploy("v1")
    half = parts.deploy("v2", "UPDATE meal SET name = 'v2';")
    Deployment.objects.filter(pk=half.pk).update(status=lifecycle.FAILED)
    half.refresh_from_db()
    parts.run(draft(parts, half, "backend"))
    third = parts.deploy("v3")
    back = draft(parts, third)
    assert back.plan.content["rollback"]["together"] == [half.pk, third.pk]
    done = parts.run(back)
    assert (done.status, done.release, done.undoes_first) == (lifecycle.SUCCEEDED, first.release, half)
    assert (*files(parts), parts.seen()[2]) == ("v1", "v1", [(50, "old", "old")])
    left = undoing.standing([parts.environment.pk])[parts.environment.pk]
    assert left.release == first.release, "the one that had stopped was undone, too"
    assert undoing.undone_by(half) == done
    with override("en"), pytest.raises(EngineError, match="was rolled back already"):
        draft(parts, half)


def test_a_service_is_put_back_once_and_its_database_not_again_with_the_rest(parts: Team) -> None:
    """What was written since the database went back is not lost to a second restore."""
    parts.deploy("v1")
    second = parts.deploy("v2", "UPDATE meal SET name = 'v2';")
    drafts = [draft(parts, second, "database") for _ in range(2)]
    assert parts.run(drafts[0]).status == lifecycle.SUCCEEDED
    with parts.server.reach() as session:
        session.execute("INSERT INTO meal VALUES (51, 'ordered since')")
    with pytest.raises(Blocked) as refused:
        parts.run(drafts[1])
    assert "not_undoable" in {blocker.code for blocker in refused.value.blockers}
    with override("en"), pytest.raises(EngineError, match=r"Database of #.* was rolled back already, by #"):
        draft(parts, second, "database")
    done = parts.run(draft(parts, second))
    assert done.status == lifecycle.SUCCEEDED and done.steps.get(key="data").reason == "already_back"
    assert (*files(parts), parts.seen()[2]) == ("v1", "v1", [(51, "old", "ordered since")])


def test_what_runs_after_a_rollback_onto_a_mixture(parts: Team) -> None:
    first, second = parts.deploy("v1"), parts.deploy("v2")
    backend = service(parts, "backend")
    parts.run(draft(parts, second, "backend"))
    third = parts.deploy("v3")
    parts.run(draft(parts, third))
    assert files(parts) == ("v1", "v2")
    environment = parts.environment
    assert way_back.running(environment, backend) == first.release
    assert way_back.running(environment) == second.release
    assert way_back.put_back([environment.pk]) == {environment.pk: {backend: first.release}}
    fourth = parts.deploy("v4")
    assert way_back.put_back([environment.pk]) == {}
    say(parts, Part(backend, first.release), Part(service(parts, "frontend"), fourth.release), False)
    with override("en"), pytest.raises(EngineError, match="Backend v1 and Frontend v4"):
        draft(parts, fourth, "backend")


def test_nothing_is_learned_where_something_stopped_half_way_or_was_left_out(parts: Team) -> None:
    first = parts.deploy("v1")
    half = parts.deploy("v2")
    Deployment.objects.filter(pk=half.pk).update(status=lifecycle.FAILED)
    half.refresh_from_db()
    backend, frontend = service(parts, "backend"), service(parts, "frontend")
    say(parts, Part(backend, first.release), Part(frontend, half.release), False)
    (pair,) = compatibility.beside(WayBack(half, None, backend))
    assert (pair.works, pair.stopped) == (None, half.pk)
    Compatibility.objects.all().delete()
    parts.run(draft(parts, half, "backend"))
    assert not Compatibility.objects.exists()
    third = parts.deploy("v3")
    back = draft(parts, third, "frontend")
    Deployment.objects.filter(pk=back.pk).update(status=lifecycle.FAILED, started_at=third.finished_at)
    (pair,) = compatibility.beside(WayBack(third, None, backend))
    assert pair.stopped == back.pk
    assert way_back.stopped_rollbacks(WayBack(third)) == [back]


def test_a_service_of_which_nothing_changed_has_nothing_to_put_back(parts: Team) -> None:
    parts.deploy("v1")
    second = parts.deploy("v2")
    with override("en"), pytest.raises(EngineError, match="Nothing of Database was changed"):
        draft(parts, second, "database")


def test_an_emergency_that_could_not_begin_aborts_nothing(parts: Team) -> None:
    parts.deploy("v1")
    other = parts.deploy("v2")
    Deployment.objects.filter(pk=other.pk).update(status=lifecycle.FAILED, kind="rehearsal")
    third = parts.deploy("v3")
    user = parts.world.requester
    with override("en"), pytest.raises(EngineError, match=f"#{other.pk} lies on the way and is no deploy"):
        recovery.ask(third, user, Actor(user), "orders fail")
    assert not undoing.is_undoable(third) and not third.recoveries.exists()


def test_what_a_stopped_rollback_needs_is_kept(parts: Team) -> None:
    """One over several can be tried again, however old the copies are that it puts back."""
    parts.deploy("v1")
    second, third = parts.deploy("v2"), parts.deploy("v3")
    back = draft(parts, third, first=second)
    Deployment.objects.filter(pk=back.pk).update(status=lifecycle.FAILED, started_at=clock.now())
    signed = {entry["id"] for entry in back.plan.content["rollback"]["backups"]}
    assert signed and signed <= retention.why_needed(parts.environment).keys()


def test_a_repeated_request_gets_the_rollback_that_was_made(parts: Team) -> None:
    parts.deploy("v1")
    second, third = parts.deploy("v2"), parts.deploy("v3")
    user, key = parts.world.requester, uuid.uuid4().hex
    made, _new = roll_back.draft(undoing.way_of(third, second.pk, ""), user, Actor(user), key)
    assert parts.run(made).status == lifecycle.SUCCEEDED
    assert roll_back.draft(undoing.way_of(third, second.pk, ""), user, Actor(user), key) == (made, False)
