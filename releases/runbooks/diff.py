"""What changed: between two versions of a runbook's text, and between two plans."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from django.utils.translation import gettext_lazy as _

from .messages import Message
from .model import LocalText
from .plan import ALREADY_BACK, OTHER_SERVICE, PlannedStep

Kind = Literal["-", "+", "same"]
_SKIPPED = {
    "schema_changed": _("(skipped: the schema does not change)"),
    "nginx_changed": _("(skipped: the nginx configuration does not change)"),
    ALREADY_BACK: _("(skipped: this database was put back already)"),
    OTHER_SERVICE: _("(skipped: it is about another service)"),
}
_ASIDES = {"check": _("check: %(command)s"), "probe": _("probe: %(command)s")}


# Parameters that a step's lines already show.
_IN_LINES = frozenset({"command", "commands", "urls", "files", "source", "destination", "database", "user"})
_IN_LINES |= {"host", "port", "format", "file", "title", "instructions", "seconds", "folder"}
_IN_LINES |= {"method", "body", "content_type"}


class DiffLine(NamedTuple):
    """One line. `number` counts from 1: in the new text, or in the old one for a removed line."""

    number: int
    kind: Kind
    text: str | Message


@dataclass(frozen=True)
class Hunk:
    """Changed lines with those around them; `old` and `new` are the numbers of the first line."""

    old: int
    new: int
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True)
class StepDiff:
    """A step of which something changed. `number` and `title` are the new ones, or the old ones if it went."""

    key: str
    number: str
    title: LocalText
    lines: tuple[DiffLine, ...]


class _Entry(NamedTuple):
    identity: tuple[object, ...]
    text: str | Message


def diff_versions(old_text: str, new_text: str, context: int = 3) -> list[Hunk]:
    """The changed parts of a text, with `context` unchanged lines around each; empty if nothing changed."""
    old, new = old_text.splitlines(), new_text.splitlines()
    hunks = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(context):
        lines = [line for opcode in group for line in _lines(opcode, old, new, 1, 1)]
        hunks.append(Hunk(group[0][1] + 1, group[0][3] + 1, tuple(lines)))
    return hunks


def diff_plans(old_steps: Sequence[PlannedStep], new_steps: Sequence[PlannedStep]) -> list[StepDiff]:
    """The steps that differ, in the order of the new plan; removed ones last. Lines count through the whole plan."""
    old, new = _numbered(old_steps), _numbered(new_steps)
    diffs = []
    for key in [*new, *(key for key in old if key not in new)]:
        before, old_first, _old_step = old.get(key, ([], 1, None))
        after, new_first, _new_step = new.get(key, ([], 1, None))
        if [entry.identity for entry in before] == [entry.identity for entry in after]:
            continue
        matcher = difflib.SequenceMatcher(
            None, [entry.identity for entry in before], [entry.identity for entry in after], autojunk=False
        )
        texts = [entry.text for entry in before], [entry.text for entry in after]
        lines = [line for opcode in matcher.get_opcodes() for line in _lines(opcode, *texts, old_first, new_first)]
        lines = [line for line in lines if line.kind != "same" or line.text in _commands(new.get(key))]
        step = (new.get(key) or old[key])[2]
        diffs.append(StepDiff(key, step.number, step.title, tuple(lines)))
    return diffs


def _lines(
    opcode: tuple[str, int, int, int, int],
    old: Sequence[str | Message],
    new: Sequence[str | Message],
    old_first: int,
    new_first: int,
) -> list[DiffLine]:
    tag, old_start, old_end, new_start, new_end = opcode
    if tag == "equal":
        return [DiffLine(new_first + index, "same", new[index]) for index in range(new_start, new_end)]
    removed = [DiffLine(old_first + index, "-", old[index]) for index in range(old_start, old_end)]
    return removed + [DiffLine(new_first + index, "+", new[index]) for index in range(new_start, new_end)]


def _commands(numbered: tuple[list[_Entry], int, PlannedStep] | None) -> tuple[str, ...]:
    return numbered[2].lines if numbered else ()


def _numbered(steps: Sequence[PlannedStep]) -> dict[str, tuple[list[_Entry], int, PlannedStep]]:
    numbered = {}
    first = 1
    for step in steps:
        entries = _entries(step)
        numbered[step.key] = entries, first, step
        first += len(entries)
    return numbered


def _entries(step: PlannedStep) -> list[_Entry]:
    """Everything of a step that a person would want to know had changed."""
    if step.skipped_because:
        message = Message(_SKIPPED.get(step.skipped_because, _("(skipped)")))
        return [_Entry(("skipped", step.skipped_because), message)]
    entries = [_Entry(("line", line), line) for line in step.lines]
    settings = (
        (_("runs on %(a)s, owner %(b)s"), step.runs_on, step.role.value),
        (_("time limit %(a)d s, silence limit %(b)d s"), step.timeout, step.silence_timeout)
        if step.silence_timeout
        else (_("time limit %(a)d s, no silence limit"), step.timeout, 0),
        (_("%(a)d s from TERM to KILL"), step.grace, 0),
        (_("%(a)d attempts, %(b)d s apart"), step.retry.attempts, step.retry.delay),
        (_("after %(a)s, estimate %(b)d s"), ", ".join(step.after) or "-", step.estimate),
    )
    entries += [_Entry((index, a, b), Message(text, {"a": a, "b": b})) for index, (text, a, b) in enumerate(settings)]
    if step.service:
        entries.append(_Entry(("service", step.service), Message(_("about the service %(a)s"), {"a": step.service})))
    for name, text in _ASIDES.items():
        lines = step.asides.get(name) or filter(None, [getattr(step, name)])  # older plans have no asides
        entries += [_Entry((name, line), Message(text, {"command": line})) for line in lines]
    for name in sorted(set(step.parameters) - _IN_LINES):
        value = step.parameters[name]
        entries.append(_Entry((name, repr(value)), f"{name}: {value}"))
    return entries
