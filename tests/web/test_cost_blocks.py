"""The live parts about costs render for a project with everything, and for one with nothing."""

import pytest
from django.template.loader import render_to_string

from releases.audit import THE_SYSTEM
from releases.engine import cost_seed
from releases.models import Component
from releases.views.blocks.costs import BLOCKS
from tests.costs import GB, sample, seeded, watched
from tests.factories import World

NAMES = ["costs_components", "costs_gpu", "costs_instances", "costs_storage", "costs_total", "costs_traffic"]
FIGURES = {
    "costs_components": ("3.0 GB", "2,000–4,000 MB", "5–20 %"),
    "costs_gpu": ("0.90 USD",),
    "costs_instances": ("t4g.xlarge", "0.1341 USD", "~97.89 USD", "16 GB"),
    "costs_storage": ("~11.40 USD", "100 × 0.114 USD"),
    "costs_total": ("110.29 USD", "~111.19 USD"),
    "costs_traffic": ("~3–5", "~500", "~30"),
}


def rendered(world: World, name: str) -> str:
    block = BLOCKS[name]
    assert str(block.title())
    return render_to_string(block.template, block.context(world.project))


def test_the_names_are_those_of_the_contract() -> None:
    assert sorted(BLOCKS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_of_a_project_with_everything(world: World, name: str) -> None:
    seeded(world.project)
    watched(world.host)
    cost_seed.load_plan(world.host, THE_SYSTEM)
    number = str(Component.objects.get(name="PostgreSQL").pk)
    sample(world.host, components={number: {"memory": 3 * GB, "basis": "pss", "cpu": 12.0, "processes": 9}})
    text = rendered(world, name)
    for figure in FIGURES[name]:
        assert figure in text


@pytest.mark.parametrize("name", NAMES)
def test_of_a_project_with_nothing(world: World, name: str) -> None:
    text = rendered(world, name)
    assert "111.19" not in text
    assert text.strip()
