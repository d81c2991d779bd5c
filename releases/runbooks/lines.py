"""What a person reads of a step: the commands it amounts to, values filled in, secrets masked."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from .gpu_lines import GPU_WRITERS
from .placeholders import visible

type Parameters = Mapping[str, Any]


def step_lines(action: str, parameters: Parameters, login: str) -> tuple[str, ...]:
    """The lines of a step. Commands in `parameters` are rendered already; `login` is `user@server`."""
    written = _WRITERS[action](parameters, login)
    return tuple(line for text in written for line in text.rstrip("\n").split("\n"))


def _quoted(value: str) -> str:
    return shlex.quote(visible(value))


def _shell(parameters: Parameters, login: str) -> list[str]:
    folder = [f"cd {_quoted(parameters['folder'])}"] if parameters["folder"] else []
    return [*folder, parameters["command"]]


def _upload(parameters: Parameters, login: str) -> list[str]:
    options = "-r " if parameters["folder"] else ""
    source = parameters["source"] or parameters["artifact"]
    return [f"scp {options}{_quoted(source)} {login}:{_quoted(parameters['destination'])}"]


def _backup_files(parameters: Parameters, login: str) -> list[str]:
    folder = parameters["destination"].rstrip("/")
    copies = [
        f"cp {'-r ' if entry['folder'] else ''}{_quoted(entry['path'])} {_quoted(folder + '/' + entry['link'])}"
        for entry in parameters["files"]
    ]
    return [*copies, "encrypt, keep in the store"] if parameters["store"] else copies


def _database(parameters: Parameters) -> str:
    server = f" -h {_quoted(parameters['host'])} -p {parameters['port']}" if parameters["host"] else ""
    return f"-U {_quoted(parameters['user'])}{server} -d {_quoted(parameters['database'])}"


def _backup_database(parameters: Parameters, login: str) -> list[str]:
    form = "-Fc " if parameters["format"] == "custom" else ""
    form = f"-Fd -j {parameters['jobs']} " if parameters.get("jobs", 1) > 1 else form
    return [f"pg_dump {form}{_database(parameters)} > {_quoted(parameters['destination'])}"]


def _prove_backup(parameters: Parameters, login: str) -> list[str]:
    return [f"restore {_quoted(parameters['backup'])} elsewhere, compare, remove"]


def _restore_files(parameters: Parameters, login: str) -> list[str]:
    return [
        f"cp {'-r ' if entry['folder'] else ''}{_quoted(entry['link'])} {_quoted(entry['path'])}"
        for entry in parameters["files"]
    ]


def _restore_database(parameters: Parameters, login: str) -> list[str]:
    jobs = f"-j {parameters['jobs']} " if parameters["jobs"] > 1 else ""
    return [f"pg_restore {jobs}{_database(parameters)}"]


def _sql(parameters: Parameters, login: str) -> list[str]:
    single = "-1 " if parameters["transaction"] == "single" else ""
    return [f"psql {single}{_database(parameters)} -f {_quoted(parameters['file'])}"]


def _http_check(parameters: Parameters, login: str) -> list[str]:
    options = ""
    if parameters["method"] != "GET":
        options = f"-X {parameters['method']} -H {_quoted('Content-Type: ' + parameters['content_type'])} "
        body = parameters["body"]
        data = "--data-raw" if body.startswith("@") else "--data"  # curl takes @name for a file
        options += f"{data} {_quoted(body)} " if body else ""
    return [f"curl {options}{_quoted(url)}" for url in parameters["urls"]]


def _watch_logs(parameters: Parameters, login: str) -> list[str]:
    return [*(f"tail -f {_quoted(path)}" for path in parameters["files"]), *parameters["commands"]]


def _maintenance_page(parameters: Parameters, login: str) -> list[str]:
    nginx, include = visible(parameters["nginx"]), _quoted(parameters["include"])
    change = f"echo 'return 503;' > {include}" if parameters["shows"] else f"rm {include}"
    return [change, f"{nginx} -t", f"{nginx} -s reload"]


def _announce(parameters: Parameters, login: str) -> list[str]:
    return [visible(text) for text in parameters.get("title", {}).values()]


def _manual(parameters: Parameters, login: str) -> list[str]:
    return list(parameters["instructions"].values())


def _wait(parameters: Parameters, login: str) -> list[str]:
    return [f"sleep {parameters['seconds']}"]


_WRITERS: dict[str, Callable[[Parameters, str], list[str]]] = {
    "shell": _shell,
    "upload": _upload,
    "backup_files": _backup_files,
    "backup_database": _backup_database,
    "prove_backup": _prove_backup,
    "restore_files": _restore_files,
    "restore_database": _restore_database,
    "sql": _sql,
    "http_check": _http_check,
    "watch_logs": _watch_logs,
    "maintenance_page": _maintenance_page,
    **GPU_WRITERS,
    "announce": _announce,
    "manual": _manual,
    "wait": _wait,
}
