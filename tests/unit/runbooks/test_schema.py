"""The published schema is the one that is used, and says what the code says."""

from pathlib import Path

from jsonschema import Draft202012Validator

from releases.runbooks import lines, model
from releases.runbooks.loader import load
from releases.runbooks.model import LocalText, Phase, Role
from releases.runbooks.schema import SCHEMA, SCHEMA_FILE, definition, seconds

DOCS = Path(__file__).parents[3] / "docs"


def test_the_published_copy_is_equal():
    assert (DOCS / "runbook.schema.json").read_bytes() == SCHEMA_FILE.read_bytes()


def test_it_is_a_valid_schema():
    Draft202012Validator.check_schema(SCHEMA)


def test_words_are_the_same_in_the_schema_and_in_the_code():
    step = definition("step")["properties"]
    assert step["role"]["enum"] == [role.value for role in Role]
    assert step["phase"]["enum"] == [phase.value for phase in Phase]
    assert set(step["action"]["enum"]) == set(lines._WRITERS)
    assert all(f"action_{name}" in SCHEMA["$defs"] for name in step["action"]["enum"])
    assert set(step) == set(model.StepSpec.__dataclass_fields__)


def test_every_role_and_phase_has_a_name_people_read():
    assert [str(phase.label) for phase in Phase] == ["Prepare", "Stop", "Replace", "Verify", "Finish"]
    assert len({str(role.label) for role in Role}) == len(Role)


def _fitting(head, example):
    """The head of a runbook of the kind into which the steps of the example belong."""
    if "action: gpu_" not in example:
        return head
    kind = "gpu_rollback" if "action: gpu_stop" in example else "gpu_deploy"
    secret = "variables:\n  - {name: runpod_api_key, type: secret}"
    return head.replace("kind: deploy ", f"kind: {kind} ").replace("variables:", secret)


def test_durations():
    assert [seconds(value) for value in (7, "7s", "2m", "1h")] == [7, 7, 120, 3600]


def test_a_text_falls_back_to_the_other_language():
    assert LocalText("가", "a").in_language("ko-kr") == "가"
    assert LocalText("가", "").in_language("en") == "가"
    assert not LocalText()


def test_the_examples_of_the_format_reference_are_valid():
    text = (DOCS / "runbooks.md").read_text(encoding="utf-8")
    examples = [block.split("```")[0] for block in text.split("```yaml\n")[1:]]
    assert len(examples) >= 1 + len(definition("step")["properties"]["action"]["enum"])
    whole = next(example for example in examples if example.startswith("kind:"))
    head = whole[: whole.index("steps:")]
    shown = set()
    for example in examples:
        runbook = load(example if example.startswith("kind:") else f"{_fitting(head, example)}steps:\n{example}")
        shown |= {step.action for step in runbook.steps}
    assert shown == set(definition("step")["properties"]["action"]["enum"])
