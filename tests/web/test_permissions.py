"""Every address, with every role: generated from the URL configuration, so that a new one can't be forgotten."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import DjangoDbBlocker

from releases.models import Membership
from tests.costs import FORMS as COST_FORMS
from tests.factories import World, client_of, make_user, make_world
from tests.web import wiki
from tests.web.permission_rows import rows_of

# Open to everybody by intent; everything else asks who you are.
PUBLIC = {
    "login/",
    "logout/",
    "api/",
    "healthz",
    "readyz",
    "announcements/",
    "announcements/<slug:slug>/",
    "announcements/<slug:slug>/<int:number>/",
    "announcements/<slug:slug>/embed/",
    "announcements/<slug:slug>/banner/",
    "announcements/<slug:slug>/badge.svg",
    "announcements/<slug:slug>/feed.atom",
    "announcements/<slug:slug>/feed.json",
    "announcements/<slug:slug>/calendar.ics",
    "announcements/<slug:slug>/status.json",
    "i18n/setlang/",
}
# Lists and forms without a row of their own: any member may look, what they show is filtered.
ROWLESS = {
    "",
    "deployments/",
    "deployments/new",
    "releases/",
    "releases/new",
    "runbooks/",
    "runbooks/new",
    "runbooks/validate",
    "hosts/",
    "hosts/new",
    "history/",
    "audit/",
    "audit/verify",
    "backups/",
    "risks/",
    "gpu/",
    "gpu/accounts/",
    "gpu/accounts/new",
    "insights/",
    "insights/thresholds",
    "insights/comparison",
    "costs/",
    "capacity/",
    "wiki/",
    "wiki/new",
    "wiki/import",
    "search/",
    "me/",
    "notices/",
    "notices/new",
    "channels/",
    "channels/new",
    "deliveries/",
    "api/releases",
    "api/environments",
    "api/deployments",
    "api/gpu-endpoints",
    "api/openapi.json",
}
# Lists behind a number that the address names (test_insights_pages.py).
BEHIND = {"insights/deployments", "insights/outages", "insights/thresholds/deployments"}
# How the installation is: for staff and people who manage a project (test_system.py).
SYSTEM = {"system/", "metrics"}
# Read by a thread of its own, which sees only what is committed: test_stream_permissions.py.
STREAM = "deployments/<int:number>/events"
# The same, with a provider behind it: tests/engine/gpu/test_log_stream.py.
WORKER_STREAM = "gpu/endpoints/<int:number>/workers/<str:worker>/log-events"
STREAMS = {STREAM, WORKER_STREAM}
# What a viewer may GET; any other address with a row is a POST that needs a right.
READABLE = {
    "deployments/<int:number>/",
    "deployments/<int:number>/live",
    "deployments/<int:number>/events",
    "attempts/<int:number>/log",
    "attempts/<int:number>/log/raw",
    "attempt-files/<int:number>",
    "releases/<int:number>/",
    "runbooks/<int:number>/",
    "runbook-versions/<int:number>/text",
    "hosts/<int:number>/",
    "hosts/<int:number>/risks",
    "risks/<int:number>/",
    "environments/<int:number>/",
    "environments/<int:number>/backups",
    "environments/<int:number>/gpu",
    "gpu/accounts/<int:number>/",
    "gpu/endpoints/<int:number>/",
    "gpu/endpoints/<int:number>/workers/<str:worker>/log",
    "gpu/endpoints/<int:number>/workers/<str:worker>/log-events",
    "backups/<int:number>/",
    "projects/<int:number>/compatibility",
    "runbooks/<int:number>/steps",
    "projects/<int:number>/costs",
    "projects/<int:number>/costs/prices",
    "hosts/<int:number>/capacity",
    "projects/<int:number>/wiki/<str:slug>/",
    "projects/<int:number>/first-deploy",
    "wiki/<int:number>/history",
    "notices/<int:number>/",
    "projects/<int:number>/wordings",
    "api/deployments/<int:number>",
    "api/gpu-endpoints/<int:number>",
    "api/projects/<int:number>/costs",
    "api/hosts/<int:number>/headroom",
}
FORMS = {
    "deployments/<int:number>/roll-back",
    "releases/<int:number>/edit",
    "runbooks/<int:number>/edit",
    "runbooks/<int:number>/estimates",
    "projects/<int:number>/comparison",
    "hosts/<int:number>/edit",
    "environments/<int:number>/edit",
    "environments/<int:number>/gpu/edit",
    "releases/<int:number>/gpu",
    "gpu/accounts/<int:number>/edit",
    "notices/<int:number>/edit",
    "channels/<int:number>/edit",
    "projects/<int:number>/wordings/edit",
    *COST_FORMS,
    "wiki/<int:number>/edit",
    "wiki/<int:number>/move",
}
# What every member says about themselves: no right beyond seeing the project.
OWN = {
    "projects/<int:number>/first-deploy/close",
    "runbook-versions/<int:number>/read",
}


def walk(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path)
        else:
            yield path


ADDRESSES = sorted({path for path in walk(get_resolver().url_patterns) if not path.startswith("admin/")})
WITH_ROW = [path for path in ADDRESSES if "number>" in path and path not in PUBLIC]


@pytest.fixture(scope="module")
def whole(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[tuple[World, dict[str, int]]]:
    """A world with its rows for all tests here: each undoes what it did itself, the rows are undone at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        world = make_world()
        yield world, rows_of(world)
        transaction.set_rollback(True)


@pytest.fixture
def world(whole: tuple[World, dict[str, int]], db: None) -> World:
    return whole[0]


@pytest.fixture
def rows(whole: tuple[World, dict[str, int]], db: None) -> dict[str, int]:
    """The number of a row for each first word of an address."""
    return whole[1]


def address(pattern: str, rows: dict[str, int]) -> str:
    words = pattern.split("/")
    kind = words[1] if words[0] in {"api", "gpu"} else words[0]
    path = pattern.replace("<int:number>", str(rows[kind])).replace("<number>", str(rows[kind]))
    return f"/{path.replace('<str:worker>', 'worker-1').replace('<str:slug>', wiki.SLUG)}"


def send(client: Client, pattern: str, path: str, method: str) -> Any:
    data = "{}" if pattern.startswith("api/") else {}
    kind = {"content_type": "application/json"} if pattern.startswith("api/") else {}
    return client.get(path) if method == "GET" else client.post(path, data, **kind)  # type: ignore[arg-type]


def normal(pattern: str) -> str:
    return pattern.replace("<number>", "<int:number>")


def test_the_lists_above_name_only_addresses_that_exist() -> None:
    known = {normal(path) for path in ADDRESSES}
    assert known >= (PUBLIC | ROWLESS | BEHIND | SYSTEM | READABLE | FORMS | OWN)


def test_every_address_without_a_row_is_known_here() -> None:
    found = {path for path in ADDRESSES if "number>" not in path}
    assert found - PUBLIC - ROWLESS - BEHIND - SYSTEM == set()


@pytest.mark.parametrize("pattern", sorted(SYSTEM))
def test_the_system_is_for_managers_and_staff(pattern: str, world: World) -> None:
    operator, staff = make_user("operator"), make_user("staff", is_staff=True)
    Membership.objects.create(project=world.project, user=operator, can_operate=True, can_approve=True)
    allowed = {world.requester: 200, staff: 200, operator: 403, world.outsider: 403}
    assert {user: client_of(user).get(f"/{pattern}").status_code for user in allowed} == allowed


@pytest.mark.parametrize("pattern", [path for path in ADDRESSES if path not in PUBLIC])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_gets_in_without_logging_in(pattern: str, method: str, rows: dict[str, int]) -> None:
    path = address(pattern, rows) if "number>" in pattern else f"/{pattern}"
    answer = send(client_of(None), pattern, path, method)
    if answer.status_code == 302:
        assert answer["Location"].startswith("/login/")
    else:
        assert answer.status_code in {401, 403, 405}


@pytest.mark.parametrize("pattern", WITH_ROW)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_people_of_other_projects_find_nothing(pattern: str, method: str, rows: dict[str, int], world: World) -> None:
    answer = send(client_of(world.outsider), pattern, address(pattern, rows), method)
    if pattern in STREAMS and method == "GET":
        assert answer.status_code != 200  # what it answers to outsiders: test_the_stream_is_for_members
        return
    assert answer.status_code in {404, 405, 422}
    if answer.status_code == 422:  # the body is looked at first; a right one must not help
        assert pattern.startswith("api/")


@pytest.mark.parametrize("pattern", WITH_ROW)
def test_a_viewer_may_read_and_nothing_else(pattern: str, rows: dict[str, int], world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    client, path = client_of(viewer), address(pattern, rows)
    read = send(client, pattern, path, "GET").status_code
    write = send(client, pattern, path, "POST").status_code
    if normal(pattern) in READABLE:
        assert read == 200 or pattern in STREAMS
        assert write == 405
    elif normal(pattern) in OWN:
        assert (read, write) == (405, 302)
    else:
        assert read == (403 if normal(pattern) in FORMS else 405)
        assert write in {403, 422}


API_VERBS = [path for path in WITH_ROW if path.startswith("api/") and normal(path) not in READABLE]


@pytest.mark.parametrize("pattern", API_VERBS)
def test_a_right_body_does_not_help_a_viewer(pattern: str, rows: dict[str, int], world: World) -> None:
    viewer = make_user("viewer")
    Membership.objects.create(project=world.project, user=viewer)
    body = {"digest": "0" * 64, "note": "", "reason": "r", "answer": "worked", "worked": True}
    body |= {"idempotency_key": "k" * 8}
    answer = client_of(viewer).post(address(pattern, rows), body, content_type="application/json")
    assert answer.status_code == 403


def test_posts_need_the_csrf_token(rows: dict[str, int], world: World) -> None:
    client = Client(HTTP_HOST="localhost", enforce_csrf_checks=True)
    client.force_login(world.requester)
    for pattern in WITH_ROW:
        if normal(pattern) not in READABLE:
            assert client.post(address(pattern, rows)).status_code == 403, pattern


def test_a_superuser_sees_all_but_runs_nothing(rows: dict[str, int], world: World) -> None:
    boss = make_user("boss", is_superuser=True, is_staff=True)
    client = client_of(boss)
    assert client.get(f"/environments/{rows['environments']}/").status_code == 200
    assert client.post(f"/deployments/{rows['deployments']}/start").status_code == 403
    assert client.post(f"/deployments/{rows['deployments']}/approve").status_code == 403


@pytest.mark.parametrize("path", sorted(ROWLESS))
def test_a_member_is_shown_every_address_without_a_row(path: str, world: World) -> None:
    assert client_of(world.requester).get(f"/{path}").status_code in {200, 405}  # 405: a check by POST


def test_the_root_of_the_api_says_nothing(db: None) -> None:
    assert client_of(None).get("/api/").status_code in {401, 404}
