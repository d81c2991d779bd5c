"""How PostgreSQL's programs are told where to connect: as data, never as words they could read otherwise."""

from collections.abc import Mapping
from typing import Any

from releases.actions.base import ActionError


def connection(parameters: Mapping[str, Any]) -> str:
    """The connection string for --dbname. Each value is quoted, so that none can smuggle in another key."""
    keys = {"dbname": parameters["database"], "user": parameters["user"]}
    if parameters.get("host"):
        keys |= {"host": parameters["host"], "port": _port(parameters)}
    elif str(parameters.get("port", "5432")) != "5432":
        keys["port"] = _port(parameters)
    return " ".join(f"{key}={_quoted(str(value))}" for key, value in keys.items())


def is_local(parameters: Mapping[str, Any]) -> bool:
    """Whether the server is on the machine where the step runs."""
    host = str(parameters.get("host", ""))
    return not host or host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}


def password(parameters: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The name of the secret with the password ("" when there is none), and the secrets a script needs for it."""
    name = parameters.get("password_secret", "")
    return name, (name,) if name else ()


def _port(parameters: Mapping[str, Any]) -> str:
    port = str(parameters.get("port", "5432"))
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ActionError(f"{port}: 1-65535")
    return port


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
