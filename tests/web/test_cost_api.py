"""Costs and headroom by the API."""

from django.test import Client

from tests.costs import answered, sample, seeded, watched, week
from tests.factories import World


def test_the_costs_of_a_project(client: Client, world: World) -> None:
    client.force_login(world.requester)
    seeded(world.project)
    found = client.get(f"/api/projects/{world.project.pk}/costs").json()
    assert (float(found["totals"]["USD"]), float(found["without_gpu"]["USD"])) == (111.193, 110.293)
    assert (found["gpu_billed_usd"], found["is_whole"], len(found["lines"])) == (None, True, 4)


def test_the_headroom_of_a_host(client: Client, world: World) -> None:
    client.force_login(world.requester)
    seeded(world.project)
    path = f"/api/hosts/{world.host.pk}/headroom"
    assert {rule["state"] for rule in client.get(path).json()} == {"unknown"}
    watched(world.host)
    sample(world.host)
    week(world.host)
    answered(world.environment)
    found = {rule["code"]: rule for rule in client.get(path).json()}
    assert {rule["state"] for rule in found.values()} == {"ok"}
    assert found["memory"]["percent"] == 50
    assert (found["response"]["milliseconds"], found["response"]["percent"]) == (80, None)
    assert found["memory"]["milliseconds"] is None
