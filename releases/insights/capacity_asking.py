"""What is asked of one host: the same list for the page that shows it and for the worker that runs it."""

from typing import Final

from releases.insights.capacity_commands import Command, DatabaseLogin, commands
from releases.models import Host, HostWatch

# The options of psql, by the variable of the environment that runbooks use for the same.
_OPTIONS: Final = {"d": "db_name", "h": "db_host", "p": "db_port", "U": "db_user"}


def paths_of(watch: HostWatch) -> list[str]:
    """The folders whose disks are looked at."""
    return watch.paths.split() or ["/"]


def asked_of(host: Host, watch: HostWatch) -> list[Command]:
    """The commands in their order. At most one query, for the environment's variables."""
    return commands(paths_of(watch), _login(host, watch))


def _login(host: Host, watch: HostWatch) -> DatabaseLogin | None:
    if watch.database == HostWatch.Database.PROCESSES:
        return None
    rows = host.environment.variables.filter(name__in=_OPTIONS.values(), is_secret=False)
    values = dict(rows.values_list("name", "value"))
    options = {option: values.get(name, "") for option, name in _OPTIONS.items()}
    sudo = watch.database == HostWatch.Database.SUDO
    # As postgres, by the socket: no password and no other login.
    return DatabaseLogin(sudo, {"d": options["d"]} if sudo else options)
