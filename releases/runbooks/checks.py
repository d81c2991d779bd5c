"""What the schema can't say: names that must exist, order, downtime marks, commands, patterns."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import regex
from django.utils.translation import gettext_lazy as _

from .gpu_checks import check_gpu_step
from .model import ASIDES, CONTROLLER, VariableSpec, default_timeout
from .order import find_cycle
from .placeholders import SECRET_SUFFIX, compile_script, names
from .references import check_references
from .refusals import PlaceholderError, refuse, unknown
from .requests import check_request
from .schema import SCHEMA, definition, leaves, seconds
from .source import Path, Source
from .variables import BUILTIN_NAMES, as_text, problem

_GPU = frozenset({"gpu_check", "gpu_create", "gpu_prove", "gpu_retain", "gpu_stop"})
_ON_CONTROLLER = frozenset({"announce", "manual", "wait"}) | _GPU
_ANYWHERE = _ON_CONTROLLER | {"shell", "http_check"}
_LASTING = ("wait", "watch_logs")


@dataclass(frozen=True)
class _Names:
    """What a placeholder may be called in this runbook."""

    values: frozenset[str]
    secrets: frozenset[str]

    @property
    def allowed(self) -> list[str]:
        return [*self.values, *(f"{name}{SECRET_SUFFIX}" for name in self.secrets)]


def check(source: Source) -> None:
    """Add every such error to the source. Takes data that may be wrong in any other way."""
    known = _variables(source)
    for group in ("steps", "checklist"):
        _twice(source, group, "key")
    for index, step in _entries(source, "steps"):
        path: Path = ("steps", index)
        _place(source, path, step)
        _times(source, path, step)
        _secret_parameter(source, path, step, known)
        _side_by_side(source, path, step)
        check_gpu_step(source, path, step)
        check_request(source, path, step)
        _texts(source, path, step, _parameters_schema("action", step), known)
    for index, item in _entries(source, "checklist"):
        _texts(source, ("checklist", index), item, _parameters_schema("proof", item), known)
    _order(source)
    _downtime(source)


def _entries(source: Source, group: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The entries of a list that are groups of keys at all; the schema complains of the others."""
    data = source.data if isinstance(source.data, dict) else {}
    entries = data.get(group)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield index, entry


def _twice(source: Source, group: str, key: str) -> None:
    seen: dict[str, int] = {}
    for index, entry in _entries(source, group):
        name = entry.get(key)
        if not isinstance(name, str):
            continue
        if name in seen:
            line = source.span((group, seen[name], key)).line
            message = _("%(name)s is used twice; first on line %(first)d.")
            source.add((group, index, key), message, _("Give this one a name of its own."), name=name, first=line)
        seen.setdefault(name, index)


def _variables(source: Source) -> _Names:
    _twice(source, "variables", "name")
    values: set[str] = set(BUILTIN_NAMES)
    secrets: set[str] = set()
    for index, entry in _entries(source, "variables"):
        name, path = entry.get("name"), ("variables", index)
        if not isinstance(name, str):
            continue
        if name in BUILTIN_NAMES:
            message = _("%(name)s is given to every runbook and can't be declared.")
            source.add((*path, "name"), message, _("Remove it here, or use another name."), name=name)
        (secrets if entry.get("type") == "secret" else values).add(name)
        _regex(source, (*path, "pattern"), entry.get("pattern"))
        _default(source, path, entry)
    return _Names(frozenset(values), frozenset(secrets))


def _default(source: Source, path: Path, entry: dict[str, Any]) -> None:
    if not isinstance(entry.get("default"), str | int):
        return
    where = (*path, "default")
    if entry.get("type") == "secret":
        source.add(where, _("A secret can't have a default."), _("Set it in the environment, where it is encrypted."))
        return
    pattern = entry.get("pattern", "")
    usable = isinstance(pattern, str) and _compiles(pattern)
    variable = VariableSpec(entry["name"], str(entry.get("type", "string")), pattern=pattern if usable else "")
    wrong = problem(variable, as_text(entry["default"]))
    if wrong:
        span = source.span(where)
        source.add_at(span.line, span.column, where, *wrong)


def _compiles(pattern: str) -> bool:
    try:
        regex.compile(pattern)
    except (regex.error, OverflowError, RecursionError):  # the last two: too large a count, too many brackets
        return False
    return True


def _regex(source: Source, path: Path, pattern: object) -> None:
    if isinstance(pattern, str) and not _compiles(pattern):
        message = _("%(pattern)s is not a regular expression.")
        source.add(path, message, _("Check its brackets, or put \\ before special characters."), pattern=pattern)


def _parameters_schema(field: str, entry: dict[str, Any]) -> dict[str, Any]:
    name = f"{field}_{entry.get(field)}"
    return definition(name) if name in SCHEMA["$defs"] else {}


def _place(source: Source, path: Path, step: dict[str, Any]) -> None:
    action, place = step.get("action"), step.get("runs_on")
    parameters = step.get("parameters")
    if not isinstance(action, str):
        return
    if place is None and action in definition("step")["properties"]["action"]["enum"] and action not in _ON_CONTROLLER:
        mend = _("Add runs_on with a host role, such as app, or controller.")
        source.add(path, _("%(action)s does not say where it runs."), mend, action=action)
    elif place == CONTROLLER and action not in _ANYWHERE:
        mend = _("Give a host role, such as app.")
        source.add((*path, "runs_on"), _("%(action)s can't run on the controller."), mend, action=action)
    if place != CONTROLLER and isinstance(parameters, dict) and parameters.get("produces"):
        mend = _("Set runs_on: controller, or remove produces.")
        where = (*path, "parameters", "produces")
        source.add(where, _("Only a step on the controller can produce artifacts."), mend)


def _times(source: Source, path: Path, step: dict[str, Any]) -> None:
    for name in ("timeout", "silence_timeout"):
        if _duration(step, name) == 0:
            source.add((*path, name), _("It would be ended at once."), _("Give it at least 1s, or leave it out."))
            return
    estimate, timeout = _duration(step, "estimate"), _duration(step, "timeout")
    if estimate is None or (timeout is None and "timeout" in step):
        return
    if timeout is None:
        timeout = default_timeout(estimate)
    elif estimate > timeout:
        source.add(
            (*path, "timeout"),
            _("The estimate of %(estimate)d s is longer than the timeout of %(timeout)d s."),
            _("Raise the timeout or lower the estimate."),
            estimate=estimate,
            timeout=timeout,
        )
    lasts = _duration(step.get("parameters"), "seconds") if step.get("action") in _LASTING else None
    if lasts is not None and lasts >= timeout:
        source.add(
            (*path, "parameters", "seconds"),
            _("It lasts %(lasts)d s, but its timeout ends it after %(timeout)d s."),
            _("Give the step a longer timeout."),
            lasts=lasts,
            timeout=timeout,
        )


def _duration(entry: Any, name: str) -> int | None:
    """Seconds of a duration as it was written; None where there is none that can be read."""
    try:
        return seconds(entry[name])
    except (KeyError, ValueError, TypeError, IndexError):
        return None


def _secret_parameter(source: Source, path: Path, step: dict[str, Any], known: _Names) -> None:
    parameters = step.get("parameters")
    for field in ("password_secret", "key_secret"):
        name = parameters.get(field) if isinstance(parameters, dict) else None
        if isinstance(name, str) and name and name not in known.secrets:
            message = _("%(name)s is not a declared secret.")
            mend = _("Declare it under variables with type: secret.")
            source.add((*path, "parameters", field), message, mend, name=name)


def _side_by_side(source: Source, path: Path, step: dict[str, Any]) -> None:
    parameters = step.get("parameters")
    if step.get("action") != "backup_database" or not isinstance(parameters, dict):
        return
    if isinstance(parameters.get("jobs"), int) and parameters["jobs"] > 1 and parameters.get("format") != "custom":
        message, mend = _("A plain dump is made by one process."), _("Set format: custom, or remove jobs.")
        source.add((*path, "parameters", "jobs"), message, mend)


def _texts(source: Source, path: Path, entry: dict[str, Any], schema: dict[str, Any], known: _Names) -> None:
    """Commands, filled texts and regular expressions of one entry."""
    places = [((*path, "parameters"), schema, entry.get("parameters"))]
    places += [((*path, name), {"x-shell": True}, entry.get(name)) for name in ASIDES]
    for where, inner, value in places:
        for leaf, kind, text in leaves(inner, value, where):
            if kind.get("x-regex"):
                _regex(source, leaf, text)
            elif kind.get("x-shell") or kind.get("x-text"):
                _placeholders(source, leaf, text, bool(kind.get("x-shell")), known)


def _placeholders(source: Source, path: Path, text: str, shell: bool, known: _Names) -> None:
    missing = names(text) - set(known.allowed) - known.secrets
    errors = [unknown(name, text.find(f"{{{name}}}"), known.allowed) for name in sorted(missing)]
    values = dict.fromkeys(known.values | missing, "")
    try:
        if shell:
            compile_script(text, values, known.secrets)
        else:
            _plain_text(text, known)
    except PlaceholderError as error:
        errors.append(error)
    for refused in errors:
        needle = f"{{{refused.name}}}"
        line, column = source.inside(path, needle, text.count(needle, 0, refused.offset))
        source.add_at(line, column, path, refused.message, refused.mend)


def _plain_text(text: str, known: _Names) -> None:
    for name in sorted(names(text)):
        if name in known.secrets or name.removesuffix(SECRET_SUFFIX) in known.secrets - known.values:
            raise refuse("secret_text", name, text.find(f"{{{name}}}"))


def _order(source: Source) -> None:
    steps = [(index, step) for index, step in _entries(source, "steps") if isinstance(step.get("key"), str)]
    keys = [step["key"] for _index, step in steps]
    after: dict[str, list[str]] = {}
    for position, (index, step) in enumerate(steps):
        given = step.get("after")
        if isinstance(given, list):
            after[step["key"]] = _known_keys(source, ("steps", index, "after"), given, keys)
        else:
            after[step["key"]] = keys[max(0, position - 1) : position]
    cycle = find_cycle(after)
    if cycle:
        index = next(index for index, step in steps if step["key"] == cycle[0])
        message = _("These steps wait for each other: %(cycle)s.")
        mend = _("Remove one of them from the after of another.")
        source.add(("steps", index, "after"), message, mend, cycle=" → ".join([*cycle, cycle[0]]))
    check_references(source, steps, after)


def _known_keys(source: Source, path: Path, given: list[Any], keys: Collection[str]) -> list[str]:
    for position, name in enumerate(given):
        if isinstance(name, str) and name not in keys:
            message = _("after names %(name)s, but no step has that key.")
            mend = _("Use one of: %(keys)s.")
            source.add((*path, position), message, mend, name=name, keys=", ".join(keys))
    return [name for name in given if name in keys]


def _downtime(source: Source) -> None:
    opens = [index for index, step in _entries(source, "steps") if step.get("opens_downtime") is True]
    closes = [index for index, step in _entries(source, "steps") if step.get("closes_downtime") is True]
    for name, marks in (("opens_downtime", opens), ("closes_downtime", closes)):
        for index in marks[1:]:
            message = _("%(name)s stands on more than one step.")
            source.add(("steps", index, name), message, _("Keep the first and remove this one."), name=name)
    if opens and not closes:
        where = ("steps", opens[0], "opens_downtime")
        source.add(
            where, _("The downtime is opened but never closed."), _("Add closes_downtime: true to a later step.")
        )
    elif closes and not opens:
        where = ("steps", closes[0], "closes_downtime")
        source.add(
            where, _("The downtime is closed but never opened."), _("Add opens_downtime: true to an earlier step.")
        )
    elif opens and opens[0] > closes[0]:
        message = _("The downtime opens after it closes (line %(line)d).")
        line = source.span(("steps", closes[0], "closes_downtime")).line
        mend = _("Move opens_downtime to the first step that stops a service.")
        source.add(("steps", opens[0], "opens_downtime"), message, mend, line=line)
