"""Getting to know a host: its key is shown, confirmed by a person, pinned; then it is tried for real.

Nothing is ever sent to a host whose key is not the pinned one. Asking for the key logs in nowhere.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from releases import audit
from releases.actions.ask import ask
from releases.actions.remote_words import told
from releases.actions.texts import size
from releases.audit import THE_SYSTEM, Actor
from releases.models import Environment, Host, User
from releases.remote.connection import HostKey, SshTransport, Target, open_transport, scan_host_key
from releases.remote.errors import HostKeyChanged, RemoteError

CHECK_PAUSE = 3  # seconds between two checks of one host
CHECK_LIMIT = 20.0  # seconds for the questions after the login
LEAST_FREE = 100 << 20  # bytes of free disk under which a check fails
PARALLEL = 8
# What the step wrapper and the transfers need; `mv -T` as an atomic claim.
_QUESTIONS = r"""
missing=
for tool in awk cat cp cut dd df find flock grep head ln mkdir mkfifo mktemp mv readlink rm sed setsid sha256sum \
  sleep sort stat tail tar tee tr xargs; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
work=$(mktemp -d) || missing="$missing a-writable-temporary-folder"
mkdir "$work/a" && mv -T "$work/a" "$work/b" 2>/dev/null || missing="$missing mv-T"
rm -rf "$work"
sudo=none
if [ "$(id -u)" = 0 ]; then sudo=root
elif command -v sudo >/dev/null 2>&1 && rules=$(sudo -n -l 2>/dev/null); then
  case $rules in *"NOPASSWD: ALL"*) sudo=all ;; *NOPASSWD*) sudo=some ;; esac
fi
free=$(df -Pk "$HOME" | tail -n 1 | tr -s ' ' | cut -d' ' -f4)
printf 'cloudwiki:%s\n' "$missing" "$sudo" "$free"
"""


class EnrolmentError(Exception):
    """A host can't be pinned or checked now. `str()` is a translated sentence with the mend."""


class TooSoon(EnrolmentError):
    """The host was checked a moment ago."""


@dataclass(frozen=True)
class HostCheck:
    """What a try found. `milliseconds` is the time to log in, 0 when that failed."""

    ok: bool
    milliseconds: float
    detail: str


def target_for(host: Host) -> Target:
    """How to reach the host with the controller's key and the pinned host key."""
    key = Path(settings.SSH_KEY_FILE)
    return Target(host.name, host.address, host.port, host.user, host.host_key, key)


def connect(host: Host) -> SshTransport:
    """Open a connection; a changed host key is written to the audit log. Raises RemoteError."""
    try:
        return open_transport(target_for(host))
    except HostKeyChanged as error:
        _report_changed_key(host, THE_SYSTEM, error)
        raise


def scan(host: Host) -> HostKey:
    """The key that answers at the host's address now, to be compared by a person. Raises HostUnreachable."""
    return scan_host_key(host.address, host.port)


def pin(host: Host, fingerprint_seen: str, user: User, actor: Actor) -> Host:
    """Trust the key with the fingerprint that the person saw and confirmed.

    Asks the host again and raises EnrolmentError when another key answers by now; HostUnreachable.
    """
    key = scan(host)
    if key.fingerprint != fingerprint_seen.strip():
        words = {"host": host, "now": key.fingerprint, "seen": fingerprint_seen.strip()[:100]}
        raise EnrolmentError(
            _("%(host)s shows another key now (%(now)s) than the one you confirmed (%(seen)s). Compare again.") % words
        )
    with transaction.atomic():
        locked = Host.objects.select_for_update(of=("self",), no_key=True).get(pk=host.pk)
        if (locked.address, locked.port) != (host.address, host.port):
            raise EnrolmentError(_("The address of %s changed meanwhile. Look at its key again.") % host)
        before = locked.fingerprint
        _write(host, host_key=key.public, fingerprint=key.fingerprint, pinned_by=user, pinned_at=Now())
        _write(host, last_checked_at=None, last_check_ok=None, last_check_detail="")
        audit.record(actor, "host.pin", host, fingerprint=key.fingerprint, type=key.type, before=before)
    host.refresh_from_db()
    return host


def unpin(host: Host, actor: Actor) -> Host:
    """Trust the host's key no more; nothing runs there until it is pinned again."""
    with transaction.atomic():
        before = Host.objects.select_for_update(of=("self",), no_key=True).get(pk=host.pk).fingerprint
        _write(host, host_key="", fingerprint="", pinned_by=None, pinned_at=None)
        _write(host, last_checked_at=None, last_check_ok=None, last_check_detail="")
        audit.record(actor, "host.unpin", host, before=before)
    host.refresh_from_db()
    return host


def check(host: Host, actor: Actor = THE_SYSTEM) -> HostCheck:
    """Log in for real, look at what steps need there, and keep what was found. Raises TooSoon."""
    if not _may_check(host):
        raise TooSoon(_("%s was checked a moment ago. Wait a few seconds.") % host)
    return _keep(host, actor, _try(target_for(host)))


def check_environment(environment: Environment, actor: Actor = THE_SYSTEM) -> list[HostCheck]:
    """Check every host of an environment at once; those checked a moment ago are left as they are."""
    return _check_all([host for host in environment.hosts.all() if _may_check(host)], actor)


def check_environment_by_id(environment_id: int) -> None:
    """The same for a task, which may come after the environment was deleted."""
    with suppress(Environment.DoesNotExist):
        check_environment(Environment.objects.get(pk=environment_id))


def _check_all(hosts: Sequence[Host], actor: Actor) -> list[HostCheck]:
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="check-host") as pool:
        found = list(pool.map(lambda host: _try(target_for(host)), hosts))
    return [_keep(host, actor, outcome) for host, outcome in zip(hosts, found, strict=True)]


def _may_check(host: Host) -> bool:
    """Take the one check that is allowed in CHECK_PAUSE seconds. Without Redis there is no limit."""
    try:
        return bool(cache.add(f"host-check-{host.pk}", 1, CHECK_PAUSE))
    except (RedisError, OSError):
        return True


def _try(target: Target) -> HostCheck | RemoteError:
    """The network's part of a check; no database, so that it may run in any thread."""
    began = time.monotonic()
    try:
        transport = open_transport(target)
        milliseconds = (time.monotonic() - began) * 1000
        try:
            return _look(transport, milliseconds)
        finally:
            transport.close()
    except RemoteError as error:
        return error


def _look(transport: SshTransport, milliseconds: float) -> HostCheck:
    answer = ask(transport, _QUESTIONS, seconds=CHECK_LIMIT)
    lines = answer.stdout.decode(errors="replace").splitlines()
    facts = [line.removeprefix("cloudwiki:") for line in lines if line.startswith("cloudwiki:")]
    if len(facts) != 3:
        detail = _("The login works, but no command could be run. Give the login a POSIX shell such as /bin/sh.")
        return HostCheck(False, milliseconds, detail)
    # Some file systems don't know how much is free ("-"): that is no reason to refuse the machine.
    missing, sudo, free = facts[0].split(), facts[1], int(facts[2]) * 1024 if facts[2].isdecimal() else None
    if missing:
        words = _("Missing there: %s. Install coreutils, util-linux, findutils, tar and gawk (or BusyBox).")
        return HostCheck(False, milliseconds, words % ", ".join(missing))
    if free is not None and free < LEAST_FREE:
        words = _("Only %s of disk are free there. Free some space.")
        return HostCheck(False, milliseconds, words % size(free))
    room = _("free disk not known") if free is None else _("%s free") % size(free)
    return HostCheck(
        True, milliseconds, " · ".join([_("login in %s ms") % f"{milliseconds:.0f}", room, _sudo_words(sudo)])
    )


def _sudo_words(found: str) -> str:
    words = {
        "root": _("logs in as root"),
        "all": _("sudo without a password"),
        "some": _("sudo without a password for some commands"),
    }
    return words.get(found, _("no sudo without a password"))


def _keep(host: Host, actor: Actor, found: HostCheck | RemoteError) -> HostCheck:
    outcome = found if isinstance(found, HostCheck) else HostCheck(False, 0.0, told(found))
    with transaction.atomic():
        _write(host, last_checked_at=Now(), last_check_ok=outcome.ok, last_check_detail=outcome.detail[:500])
        if isinstance(found, HostKeyChanged):
            _report_changed_key(host, actor, found)
    host.refresh_from_db(fields=["last_checked_at", "last_check_ok", "last_check_detail"])
    return outcome


def _report_changed_key(host: Host, actor: Actor, error: HostKeyChanged) -> None:
    audit.record(actor, "host.key_changed", host, pinned=host.fingerprint, problem=str(error)[:300])


def _write(host: Host, **values: object) -> None:
    Host.objects.filter(pk=host.pk).update(**values)
