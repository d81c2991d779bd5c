"""Read the environment: every refusal names the variable and what to set it to."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping


class _Variables(environ.FileAwareEnv):  # type: ignore[misc]
    """NAME, or the contents of the file that NAME_FILE names, without the newline that editors add."""

    ENVIRON = FileAwareMapping(cache=False)

    def get_value(self, var: str, *arguments: Any, **options: Any) -> Any:
        value = super().get_value(var, *arguments, **options)
        return value.strip() if isinstance(value, str) else value


class Environment:
    """The variables of this process. Every method raises ImproperlyConfigured with the name and the mend."""

    def __init__(self) -> None:
        self._variables = _Variables()

    def text(self, name: str, default: str | None = None, *, mend: str = "") -> str:
        """The value; with no default the variable is required and must not be empty."""
        try:
            value = str(self._variables.str(name, default="") or default or "")
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {os.environ.get(name + '_FILE')!r}, which cannot be read ({error.strerror}). "
                "Mount the secret there, or correct the path."
            ) from error
        if not value and default is None:
            raise ImproperlyConfigured(f"{name} is not set. {mend} (or {name}_FILE to a file that holds it).")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """A yes or no."""
        return self._typed(name, default, self._variables.bool, "1 or 0", ("1", "0", "true", "false"))

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number within its bounds, both included."""
        value: int = self._typed(name, default, self._variables.int, "a whole number")
        if not lowest <= value <= highest:
            raise ImproperlyConfigured(f"{name} is {value}. Set it to a number from {lowest} to {highest}.")
        return value

    def words(self, name: str, default: list[str] | None = None, *, mend: str = "") -> list[str]:
        """A list with commas in between; with no default at least one word is required."""
        text = self.text(name, None if default is None else ",".join(default), mend=mend)
        return [word.strip() for word in text.split(",") if word.strip()]

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """One of the choices."""
        value = self.text(name, default)
        if value not in choices:
            raise ImproperlyConfigured(f"{name} is {value!r}. Set it to one of: {', '.join(choices)}.")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        """A PostgreSQL address as Django's connection settings."""
        address = self.text(name, default)
        mend = f"Set {name} to postgres://user:password@host:5432/database."
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                settings: dict[str, Any] = environ.Env.db_url_config(address)
        except (ValueError, TypeError) as error:
            raise ImproperlyConfigured(f"{name} cannot be read as an address. {mend}") from error
        if settings.get("ENGINE") != "django.db.backends.postgresql" or not settings["NAME"]:
            raise ImproperlyConfigured(f"{name} is not the address of a PostgreSQL database. {mend}")
        return settings | {"HOST": unquote(settings["HOST"])}

    def redis(self, name: str, default: str) -> str:
        """A Redis address as redis-py reads it."""
        address = self.text(name, default)
        if urlsplit(address).scheme not in ("redis", "rediss", "unix"):
            raise ImproperlyConfigured(
                f"{name} is not the address of a Redis or Valkey server. Set it to redis://host:6379/0 or "
                "unix:///path/to/socket?db=0."
            )
        return address

    def bucket(self, prefix: str) -> dict[str, Any] | None:
        """The S3-compatible bucket of PREFIX_BUCKET as Django's storage settings; None where no bucket is named."""
        bucket = self.text(f"{prefix}_BUCKET", "")
        if not bucket:
            return None
        options = {
            "bucket_name": bucket,
            "endpoint_url": self.text(f"{prefix}_ENDPOINT", "") or None,
            "region_name": self.text(f"{prefix}_REGION", "") or None,
            "access_key": self.text(f"{prefix}_ACCESS_KEY", mend="Set it to the key that may write to the bucket"),
            "secret_key": self.text(f"{prefix}_SECRET_KEY", mend="Set it to the secret of that key"),
            "location": self.text(f"{prefix}_FOLDER", "cloud-wiki"),
            "default_acl": None,
            "file_overwrite": False,
            "addressing_style": "path",
        }
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}

    def path(self, name: str, default: Path) -> Path:
        """A file or folder, absolute."""
        return Path(os.environ.get(name) or default).expanduser().absolute()

    def _typed[T](self, name: str, default: T, read: Callable[..., T], what: str, allowed: tuple[str, ...] = ()) -> T:
        given = self.text(name, "")
        if not given:
            return default
        try:
            if allowed and given.lower() not in allowed:
                raise ValueError(given)
            return read(name)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} is {given!r}. Set it to {what}.") from error


def broker_address(redis: str) -> str:
    """The same server in the form that Celery reads."""
    parts = urlsplit(redis)
    if parts.scheme != "unix":
        return redis
    database = next((pair[3:] for pair in parts.query.split("&") if pair.startswith("db=")), "0")
    return f"redis+socket://{quote(unquote(parts.path))}?virtual_host={database}"
