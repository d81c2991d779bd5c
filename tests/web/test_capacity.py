"""The capacity pages: what was read, beside the plan; what is not known is never fine."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from releases.audit import THE_SYSTEM
from releases.engine import clock, cost_seed
from releases.models import AuditEvent, Component, Host, HostWatch, Membership
from tests.costs import GB, answered, sample, seeded, watched, week
from tests.factories import World, make_user


@pytest.fixture
def manager(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    return client


def path(world: World) -> str:
    return f"/hosts/{world.host.pk}/capacity"


def read(client: Client, address: str) -> str:
    answer = client.get(address, headers={"accept-language": "en"})
    assert answer.status_code == 200
    return answer.content.decode()


def states(client: Client, world: World) -> dict[str, str]:
    return {rule.code: rule.state for rule in client.get(path(world)).context["rules"]}


def test_a_host_nobody_opted_in_is_off_and_lists_its_commands(manager: Client, world: World) -> None:
    text = read(manager, path(world))
    assert "This host is not read" in text
    for command in ("free -b", "df -Pk /", "head -n 1 /proc/stat", "nproc"):
        assert command in text
    assert set(states(manager, world).values()) == {"unknown"}
    assert "capacity/read" not in text


def test_measured_beside_planned(manager: Client, world: World) -> None:
    seeded(world.project)
    watched(world.host)
    cost_seed.load_plan(world.host, THE_SYSTEM)
    number = str(Component.objects.get(name="PostgreSQL").pk)
    parts = {number: {"memory": 3 * GB, "basis": "pss", "cpu": 12.0, "processes": 9}}
    sample(world.host, components=parts)
    week(world.host)
    answered(world.environment)
    text = read(manager, path(world))
    for words in ("2,000–4,000 MB", "3.0 GB", "12 %", "5,100–8,700 MB", "8.0 GB / 16.0 GB"):
        assert words in text
    assert "not measured" in text  # the others
    assert set(states(manager, world).values()) == {"ok"}


def test_a_failed_reading_says_why_and_shows_no_number(manager: Client, world: World) -> None:
    watched(world.host)
    nothing = {"cpu": None, "memory_used": None, "memory_total": None, "connections": None, "disks": [], "cpus": None}
    sample(world.host, problem="The host can't be reached.", **nothing)
    text = read(manager, path(world))
    assert "The host can&#x27;t be reached." in text
    assert "0 %" not in text.split('id="charts-title"')[0].split('id="rules-title"')[1].replace("70 %", "").replace(
        "80 %", ""
    ).replace("90 %", "").replace("20 %", "")
    assert set(states(manager, world).values()) == {"unknown"}


def test_what_could_not_be_read_is_named(manager: Client, world: World) -> None:
    watched(world.host)
    sample(world.host, connections=None, missing=["connections psql: error: refused", "disk /data"])
    text = read(manager, path(world))
    assert "psql: error: refused" in text
    assert "/data" in text


def test_the_switch_is_a_managers_and_audited(manager: Client, world: World) -> None:
    seeded(world.project)
    values = {
        "is_on": "on",
        "database": "psql",
        "paths": "/ /var/lib",
        "instance_type": "t4g.xlarge",
        "max_connections": "",
    }
    assert manager.post(f"{path(world)}/edit", values).status_code == 302
    watch = HostWatch.objects.get(host=world.host)
    assert (watch.is_on, watch.database, watch.paths, watch.instance) == (True, "psql", "/ /var/lib", "t4g.xlarge")
    event = AuditEvent.objects.get(action="host.watch")
    assert event.detail["changed"]["is_on"] == [None, True]
    assert event.project == world.project
    viewer = make_user("operator")
    Membership.objects.create(project=world.project, user=viewer, can_operate=True)
    manager.force_login(viewer)
    assert manager.post(f"{path(world)}/edit", values).status_code == 403
    assert "/edit" not in read(manager, path(world)).split('id="seen"')[0]


@pytest.mark.parametrize("paths", ["var", "/a;reboot", "/$(id)", "/ /a /b /c /d /e"])
def test_a_folder_that_is_none_is_refused(manager: Client, world: World, paths: str) -> None:
    answer = manager.post(f"{path(world)}/edit", {"database": "processes", "paths": paths})
    assert (answer.status_code, list(answer.context["form"].errors)) == (400, ["paths"])
    assert not HostWatch.objects.exists()


def test_read_now_is_for_operators_of_a_host_that_is_on(manager: Client, world: World) -> None:
    assert manager.post(f"{path(world)}/read").status_code == 409
    watched(world.host)
    assert manager.post(f"{path(world)}/read").status_code == 302
    assert HostWatch.objects.get().asked_by == world.requester
    assert "A worker reads it now" in read(manager, path(world))


def component(**changes: Any) -> dict[str, Any]:
    return {"name": "Redis", "match": "unit", "value": "redis", "position": "9"} | changes


def test_a_component_is_planned_changed_and_removed(manager: Client, world: World) -> None:
    new = f"/hosts/{world.host.pk}/components/new"
    assert manager.post(new, component(memory_low="100", memory_high="200")).status_code == 302
    row = Component.objects.get()
    assert manager.post(f"/components/{row.pk}/edit", component(memory_low="150")).status_code == 302
    assert Component.objects.get().memory_high is None
    assert manager.post(f"/components/{row.pk}/remove").status_code == 302
    actions = AuditEvent.objects.filter(action__startswith="host.component").order_by("sequence")
    assert [event.action for event in actions] == [
        "host.component_add",
        "host.component_change",
        "host.component_remove",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"value": ""}, "value"),
        ({"match": "rest"}, "value"),
        ({"memory_high": "5"}, "memory_high"),
        ({"cpu_low": "9", "cpu_high": "5"}, "cpu_high"),
        ({"match": "rest", "value": ""}, "match"),
    ],
)
def test_a_faulty_component_is_refused_at_its_field(
    manager: Client, world: World, changes: dict[str, str], field: str
) -> None:
    Component.objects.create(host=world.host, name="OS", match="rest")
    answer = manager.post(f"/hosts/{world.host.pk}/components/new", component(**changes))
    assert answer.status_code == 400
    assert field in answer.context["form"].errors


def test_the_seeds_plan_is_taken_over_once(manager: Client, world: World) -> None:
    assert manager.post(f"{path(world)}/load-plan").status_code == 302
    assert [row.name for row in world.host.components.all()] == ["Nginx", "Next.js", "Spring Boot", "PostgreSQL", "OS"]
    assert manager.post(f"{path(world)}/load-plan").status_code == 409


def test_charts_have_gaps_where_nothing_is_known(manager: Client, world: World) -> None:
    watched(world.host)
    for minutes, cpu in ((50, 20.0), (15, 10.0), (10, None), (5, 30.0), (0, 40.0)):
        sample(world.host, at=clock.now() - timedelta(minutes=minutes), cpu=cpu)
    week(world.host, hours=1)
    answer = manager.get(path(world), headers={"accept-language": "en"})
    chart = answer.context["charts"][0]
    assert [values for _label, values in chart.rows] == [["20 %"], ["10 %"], [""], ["30 %"], ["40 %"]]
    assert chart.lines[0]["path"] == "M0.0 96.0M420.0 108.0M540.0 84.0L600.0 72.0"  # by the time that lay between
    assert (chart.limit_y, chart.legend[-1]) == ("36.0", ("limit", "", "limit 70 %"))
    assert '<path class="limit" d="M0 36.0H600"/>' in answer.content.decode()


def test_the_list_needs_as_many_queries_for_many_hosts(
    manager: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    seeded(world.project)
    watched(world.host)
    sample(world.host)
    week(world.host)
    answered(world.environment)
    with django_assert_max_num_queries(20) as few:
        assert "50 %" in read(manager, "/capacity/")
    for number in range(12):
        host = Host.objects.create(
            environment=world.environment, name=f"h{number}", role=f"r{number}", address="127.0.0.1", user="deploy"
        )
        watched(host)
        sample(host)
        week(host, hours=5)
    with django_assert_max_num_queries(len(few.captured_queries)):
        read(manager, "/capacity/")


def test_a_host_needs_as_many_queries_for_many_components(
    manager: Client, world: World, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    watched(world.host)
    sample(world.host)
    cost_seed.load_plan(world.host, THE_SYSTEM)
    with django_assert_max_num_queries(20) as few:
        read(manager, path(world))
    for number in range(20):
        Component.objects.create(host=world.host, name=f"part {number}", match="command", value=str(number))
    week(world.host, hours=20)
    for minutes in range(1, 30):
        sample(world.host, at=clock.now() - timedelta(minutes=minutes))
    with django_assert_max_num_queries(len(few.captured_queries) + 1):  # the readings of a day
        read(manager, path(world))
