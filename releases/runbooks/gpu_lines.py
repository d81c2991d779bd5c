"""What a person reads of a step about a GPU endpoint."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from .placeholders import visible

type Parameters = Mapping[str, Any]


def _check(parameters: Parameters, login: str) -> list[str]:
    return [f"look at {', '.join(parameters['about'])}"]


def _create(parameters: Parameters, login: str) -> list[str]:
    return ["create the endpoint, keep its id"]


def _prove(parameters: Parameters, login: str) -> list[str]:
    limits = f"first answer within {parameters['cold_limit']} s, then {parameters['warm']} times within "
    limits += f"{parameters['warm_limit']} s, then {parameters['at_once']} at once"
    asked = [f"> {visible(entry['text'] or entry['input'])}{_expected(entry)}" for entry in parameters["prompts"]]
    return [f"ask the {parameters['endpoint']} endpoint: {limits}", *asked]


def _expected(entry: Parameters) -> str:
    return f"  ~ {visible(entry['matches'])}" if entry["matches"] else ""


def _switch(parameters: Parameters, login: str) -> list[str]:
    root = "sudo " if parameters["sudo"] else ""
    of = f"of the {parameters['endpoint']} endpoint"
    changes = [f"{name}=<{what} {of}>" for name, what in parameters["variables"].items()]
    key = [f"{parameters['key_variable']}=<secret {parameters['key_secret']}>"] if parameters["key_variable"] else []
    return [f"{root}edit {shlex.quote(visible(parameters['file']))}", *changes, *key]


def _retain(parameters: Parameters, login: str) -> list[str]:
    most = "" if parameters.get("max_workers") is None else f", {parameters['max_workers']} workers at most"
    return [f"keep the previous endpoint{most}"]


def _stop(parameters: Parameters, login: str) -> list[str]:
    return ["stop the workers of the endpoint that is undone"]


GPU_WRITERS: dict[str, Callable[[Parameters, str], list[str]]] = {
    "gpu_check": _check,
    "gpu_create": _create,
    "gpu_prove": _prove,
    "gpu_switch": _switch,
    "gpu_retain": _retain,
    "gpu_stop": _stop,
}
