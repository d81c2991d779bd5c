"""Errors of steps about GPU endpoints: each with its place and its mend."""

from typing import Any

import pytest
import yaml
from django.utils.translation import override

from releases.runbooks.loader import load, seed_text
from releases.runbooks.messages import RunbookErrors


def errors(change: Any, name: str = "gpu_deploy") -> list[str]:
    """What is wrong with a shipped runbook after a change of its data."""
    data = yaml.safe_load(seed_text(name))
    change(data)
    with override("en"), pytest.raises(RunbookErrors) as caught:
        load(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    return str(caught.value).splitlines()


def step(data: dict[str, Any], action: str) -> dict[str, Any]:
    return next(each for each in data["steps"] if each["action"] == action)


def test_a_runbook_of_software_takes_none_of_them() -> None:
    found = errors(lambda data: data.update(kind="deploy"))
    assert any("gpu_create belongs into a runbook about GPU endpoints. Set kind: gpu_deploy" in line for line in found)


@pytest.mark.parametrize(("name", "kind", "action"), [("gpu_deploy", "gpu_rollback", "gpu_create")])
def test_a_rollback_creates_nothing(name: str, kind: str, action: str) -> None:
    found = errors(lambda data: data.update(kind=kind), name)
    assert any(f"{action} can't be in a runbook of this kind." in line for line in found)


def test_a_deploy_stops_nothing() -> None:
    found = errors(lambda data: data.update(kind="gpu_deploy"), "gpu_rollback")
    assert len(found) == 1 and "gpu_stop can't be in a runbook of this kind." in found[0]


def test_a_key_needs_its_secret_and_the_secret_a_declaration() -> None:
    found = errors(lambda data: step(data, "gpu_switch")["parameters"].pop("key_secret"))
    assert len(found) == 1 and "key_variable and key_secret go together. Give both, or neither." in found[0]
    found = errors(lambda data: data["variables"].pop())
    assert len(found) == 1 and "runpod_api_key is not a declared secret." in found[0]


def test_it_switches_on_a_host_only() -> None:
    found = errors(lambda data: step(data, "gpu_switch").update(runs_on="controller"))
    assert any("gpu_switch can't run on the controller." in line for line in found)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"matches": "42"}, "A prompt asks one thing."),
        ({"text": "1 + 1", "input": "{}"}, "A prompt asks one thing."),
        ({"input": "not JSON"}, "The input of a job is a JSON object."),
        ({"input": "[1]"}, "The input of a job is a JSON object."),
        ({"text": "1 + 1", "matches": "("}, "( is not a regular expression."),
        ({"text": "1 + 1", "max_tokens": 0}, "max_tokens"),
    ],
)
def test_prompts(prompt: dict[str, Any], said: str) -> None:
    found = errors(lambda data: step(data, "gpu_prove")["parameters"].update(prompts=[prompt]))
    assert len(found) == 1 and said in found[0]


def test_a_variable_holds_something_of_the_endpoint() -> None:
    change = {"variables": {"RUNPOD_ENDPOINT_ID": "secret"}}
    found = errors(lambda data: step(data, "gpu_switch")["parameters"].update(change))
    assert len(found) == 1 and "RUNPOD_ENDPOINT_ID" in found[0]
