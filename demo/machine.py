"""The demo host's folder: its home, its programs, its ports. Made once, checked at every start."""

import base64
import getpass
import hashlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cloudwiki.keys import ensure_ssh_key
from demo import ai, build, curl, service
from demo.ports import free_port, is_free, is_held

LISTEN = "CLOUDWIKI_DEMO_LISTEN"  # address the demo host listens on; in containers 0.0.0.0
ADDRESS = "CLOUDWIKI_DEMO_ADDRESS"  # address under which the controller reaches it; in containers its name


@dataclass(frozen=True)
class Database:
    """Where the demo's database is, for pg_dump and psql on the demo host. `host` is a name or a socket folder."""

    host: str
    port: int
    user: str
    password: str
    name: str


@dataclass(frozen=True)
class Site:
    """The services of one environment: a folder of the host with their files and programs, and the port of each."""

    folder: Path
    services: dict[str, int]

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "bin"

    @property
    def app(self) -> Path:
        """Where the services' files are."""
        return self.folder / "app"


@dataclass(frozen=True)
class Machine:
    """The demo host as the controller knows it. Production's services are in its home, staging's in a folder there."""

    home: str
    listen: str
    address: str
    port: int
    user: str
    host_key: str
    fingerprint: str
    services: dict[str, int]  # port of each, in production
    staging: dict[str, int] = field(default_factory=dict)  # an older description has none

    @property
    def folder(self) -> Path:
        """The host's home as a path."""
        return Path(self.home)

    @property
    def sites(self) -> dict[str, Site]:
        """By the environment's key."""
        return {
            "production": Site(self.folder, self.services),
            "staging": Site(self.folder / "staging", self.staging),
        }

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "bin"

    @property
    def app(self) -> Path:
        """Where the files of production's services are."""
        return self.folder / "app"


def description(data: Path) -> Path:
    """The file that tells the host's address and key."""
    return data / "demo-host.json"


def read(data: Path) -> Machine | None:
    """The host that `install` made, or None."""
    try:
        return Machine(**json.loads(description(data).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def install(data: Path, controller_key: str, database: Database, client_programs: Mapping[str, Path]) -> Machine:
    """Make the host's folder, or bring it up to date; keeps its key, its files and, if it can, its ports.

    `controller_key` is the public key that may log in; `client_programs` are the real pg_dump and psql.
    """
    home = data / "demo-host"
    (home / "ssh").mkdir(mode=0o700, parents=True, exist_ok=True)
    ensure_ssh_key(home / "ssh" / "host_key")
    public = " ".join((home / "ssh" / "host_key.pub").read_text().split()[:2])
    machine = _with_ports(data, home, public)
    write(home / "ssh" / "authorized_keys", controller_key.strip() + "\n", 0o600)
    for site in machine.sites.values():
        _furnish(site, machine.listen)
    password_line = f"*:*:*:{_pgpass(database.user)}:{_pgpass(database.password)}\n"
    write(home / "etc" / "pgpass", password_line, 0o600)
    _write_programs(machine.bin, _programs(home, database, client_programs))
    write(description(data), json.dumps(asdict(machine), indent=2) + "\n", 0o600)
    return machine


def _furnish(site: Site, listen: str) -> None:
    """Its folders, the settings of its services, and the two programs that know which services they mean."""
    for name in ("bin", "etc", "run", "app/backend/logs", "app/frontend/logs", "app/backup"):
        (site.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    services = {name: {"port": port, "address": listen} for name, port in site.services.items()}
    write(site.folder / "etc" / "services.json", json.dumps(services), 0o600)
    (site.folder / "etc" / ai.FILE).touch(mode=0o600)
    if not (site.folder / "etc" / "nginx.conf").exists():
        write(site.folder / "etc" / "nginx.conf", "server { listen 80; location / { } }\n", 0o600)
    control = f"{_python(service.__file__)} {shlex.quote(str(site.folder))}"
    _write_programs(site.bin, {"service": f'exec {control} "$@"', "build": f'exec {_python(build.__file__)} "$@"'})


def _python(file: str) -> str:
    """The start of a command line: this Python on that file, with the standard library alone."""
    return f"{shlex.quote(sys.executable)} -I -S {shlex.quote(str(Path(file).resolve()))}"


def _write_programs(folder: Path, programs: Mapping[str, str]) -> None:
    for name, text in programs.items():
        write(folder / name, f"#!/bin/sh\n# Simulated: part of the demo host.\n{text}\n", 0o700)


def _with_ports(data: Path, home: Path, public: str) -> Machine:
    listen = os.environ.get(LISTEN) or "127.0.0.1"
    old = read(data)
    taken: set[int] = set()

    def port(known: int | None, lock: str) -> int:
        keep = known is not None and (is_held(home / lock) or is_free(listen, known))
        chosen = known if keep and known is not None else free_port(listen, taken)
        taken.add(chosen)
        return chosen

    known, staging = (old.services, old.staging) if old else ({}, {})
    return Machine(
        home=str(home),
        listen=listen,
        address=os.environ.get(ADDRESS) or "127.0.0.1",
        port=port(old.port if old else None, "run/host.lock"),
        user=getpass.getuser(),
        host_key=public,
        fingerprint=fingerprint(public),
        services={name: port(known.get(name), f"run/{name}.pid") for name in service.NAMES},
        staging={name: port(staging.get(name), f"staging/run/{name}.pid") for name in service.NAMES},
    )


def fingerprint(public: str) -> str:
    """The SHA256 fingerprint of an OpenSSH public key, as `ssh-keygen -lf` prints it."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _pgpass(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def write(path: Path, text: str, mode: int) -> None:
    """The whole file at once: nobody reads half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)


def _programs(home: Path, database: Database, clients: Mapping[str, Path]) -> dict[str, str]:
    ours = shlex.quote(str(home / "bin"))
    programs = {
        "sudo": 'while case "$1" in -*) true ;; *) false ;; esac; do shift; done\nexec "$@"',
        "systemctl": _SYSTEMCTL.format(bin=ours),
        "pm2": _PM2.format(bin=ours),
        "nginx": _NGINX.format(bin=ours),
    }
    for name, real in clients.items():
        programs[name] = _client(real, home, database)
    if shutil.which("curl") is None:
        programs["curl"] = f'exec {_python(curl.__file__)} "$@"'
    return programs


def _client(real: Path, home: Path, database: Database) -> str:
    """pg_dump or psql against the demo's database, whoever `-U postgres` names."""
    user = shlex.quote(database.user)
    return _CLIENT.format(
        host=shlex.quote(database.host), port=database.port, user=user,
        passwords=str(home / "etc" / "pgpass").replace("\\", "\\\\").replace('"', '\\"'), real=shlex.quote(str(real)),
    )  # fmt: skip


_SYSTEMCTL = """for word; do
  case $word in
  start|stop|restart|status|is-active) verb=$word ;;
  --quiet|-q) quiet=1 ;;
  spring-boot|spring-boot.service) name=backend ;;
  *) echo "systemctl: the demo host has no $word" >&2; exit 5 ;;
  esac
done
[ -n "$name" ] && [ -n "$verb" ] || {{ echo "usage: systemctl start|stop|restart|status spring-boot" >&2; exit 1; }}
if [ "$verb" = is-active ]; then
  {bin}/service status "$name" >/dev/null && state=active || state=inactive
  [ -n "$quiet" ] || echo "$state"
  [ "$state" = active ] || exit 3
  exit 0
fi
exec {bin}/service "$verb" "$name\""""
_PM2 = """[ "$2" = nextjs ] || {{ echo "pm2: the demo host has only nextjs" >&2; exit 1; }}
case $1 in
start|stop|restart|status|logs) exec {bin}/service "$1" frontend ;;
*) echo "pm2: the demo host does not know $1" >&2; exit 1 ;;
esac"""
_NGINX = """case "$*" in
-t) exec {bin}/service check proxy ;;
"-s reload") exec {bin}/service reload proxy ;;
*) echo "usage: nginx -t | nginx -s reload" >&2; exit 1 ;;
esac"""
_CLIENT = """export PGHOST={host} PGPORT={port} PGUSER={user} PGPASSFILE="${{PGPASSFILE:-{passwords}}}"
left=$#
while [ "$left" -gt 0 ]; do
  word=$1; shift; left=$((left - 1))
  case $word in
  -U|--username) shift; left=$((left - 1)); set -- "$@" -U {user} ;;
  -Upostgres|--username=*) set -- "$@" -U {user} ;;
  *) set -- "$@" "$word" ;;
  esac
done
exec {real} "$@\""""
