"""A step that proves a backup names an earlier step that makes one on the same machine."""

import json
from typing import Any

import pytest

from releases.runbooks import loader
from releases.runbooks.messages import RunbookErrors

BASE: dict[str, Any] = {"title": {"en": "x"}, "role": "DevOps", "phase": "prepare", "runs_on": "app", "estimate": 1}
KEEP = {**BASE, "key": "keep", "action": "backup_database", "parameters": {"database": "app"}}
PROVE = {**BASE, "key": "proof", "action": "prove_backup", "parameters": {"backup": "keep"}}
SHELL = {**BASE, "key": "other", "action": "shell", "parameters": {"command": "true"}}


def load(*steps: dict[str, Any]) -> str:
    text = json.dumps({"kind": "deploy", "title": {"en": "x"}, "checklist": [], "steps": list(steps)})
    try:
        loader.load(text)
    except RunbookErrors as error:
        return str(error)
    return ""


def test_it_may_come_right_after_later_or_by_name() -> None:
    assert load(KEEP, PROVE) == ""
    assert load(KEEP, SHELL, PROVE) == ""
    assert load(KEEP, {**SHELL, "after": []}, {**PROVE, "after": ["other", "keep"]}) == ""


@pytest.mark.parametrize(
    "steps",
    [
        [SHELL, {**PROVE, "parameters": {"backup": "other"}}],
        [KEEP, {**PROVE, "parameters": {"backup": "nothing"}}],
        [PROVE, KEEP],
        [KEEP, {**PROVE, "after": []}],
        [KEEP, {**PROVE, "runs_on": "db"}],
        [KEEP, {**PROVE, "parameters": {}}],
    ],
    ids=["no backup", "no step", "later", "side by side", "another machine", "none named"],
)
def test_what_it_could_not_find_is_refused(steps: list[dict[str, Any]]) -> None:
    assert "proof" in load(*steps) or "backup" in load(*steps)
