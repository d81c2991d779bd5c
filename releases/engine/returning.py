"""The way of a copy from the store back to its place on the host: nothing good there is touched, no half copy shows."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions import brief
from releases.actions.ask import ask
from releases.actions.base import ActionError, Script
from releases.actions.explain import explain_tail, plain
from releases.actions.texts import shell_text
from releases.engine.machines import Machines
from releases.models import Backup
from releases.remote.archives import open_folders
from releases.remote.errors import TransferStopped
from releases.remote.transfer import upload_file
from releases.remote.transport import Transport

LIMIT: Final = 6 * 3600  # seconds that comparing or unpacking a folder may take
OUTPUT: Final = 64 * 1024  # bytes of what the unpacking prints that are read
PRIVATE: Final = "600"  # permission bits of a file whose own are not known: a dump's
_ROOM = 'mkdir -p "${path%/*}"\n'
_LOOK = 'if [ -d "$path" ] && [ ! -L "$path" ]; then folder_sum "$path"; printf "%s\\n" "$SUM"; fi\n'
_RIGHTS = """
[ "$(stat -c %u:%g "$path")" = "$owner" ] || { chown "$owner" "$path" && chmod "$mode" "$path"; }
"""
_REASONS: Final = {
    "not there": gettext_lazy("What was sent is gone from the host: %(what)s. Send it again."),
    "too little room": gettext_lazy("Too little room to unpack the copy: %(what)s. Free some space there."),
    "not allowed": gettext_lazy("The copy can't be put in its place: %(what)s. Let the login write there."),
    "not unpacked": gettext_lazy("The copy could not be unpacked beside %(what)s. Make room there, and try again."),
    "damaged": gettext_lazy("What was unpacked for %(what)s is not what was backed up. What is there was left alone."),
}  # fmt: skip


def send(machines: Machines, backup: Backup, copy: Path, name: str, stop: Callable[[], bool]) -> None:
    """Put `copy` in the backup's place, on its host; `name` makes it one and the same errand.

    Raises ActionError where it can't be, RemoteError; TransferStopped where `stop` said so.
    """
    assert backup.host is not None  # noqa: S101 - asked by the caller
    role = backup.host.role
    transport = machines.transport(role)
    ask(transport, _ROOM, {"path": backup.location})  # what can't be made is told by the transfer
    if backup.is_folder:
        _send_folder(machines, role, backup, copy, name, stop)
    else:
        _send_file(transport, backup, copy, name, stop)


def _send_file(transport: Transport, backup: Backup, copy: Path, name: str, stop: Callable[[], bool]) -> None:
    is_dump = backup.kind == Backup.Kind.DATABASE
    rights = {} if is_dump else backup.parameters
    mode, owner = rights.get("mode", PRIVATE), rights.get("owner", "")
    copy.chmod(int(mode, 8))
    _upload(transport, copy, backup.location, name, stop, backup.sha256)  # it was just found to be that
    if owner:  # only root can give a file to others; where it was somebody else's, root copied it
        ask(transport, _RIGHTS, {"path": backup.location, "mode": mode, "owner": owner})


def _send_folder(
    machines: Machines, role: str, backup: Backup, copy: Path, name: str, stop: Callable[[], bool]
) -> None:
    transport, path = machines.transport(role), PurePosixPath(backup.location)
    seen = ask(transport, shell_text("machine.sh") + _LOOK, {"path": str(path)}, seconds=LIMIT, stop=stop)
    if seen.stdout.decode(errors="replace").strip() == backup.sha256:
        return
    # One that is given up half way is removed by transfers of later days, which know this sort of name.
    archive = path.parent / f".{path.name}.upload-{name}.tar"
    open_folders(copy)
    copy.chmod(0o600)
    _upload(transport, copy, str(archive), name, stop)
    data = {"step_archive": str(archive), "step_location": str(path), "step_sum": backup.sha256, "step_name": name}
    script = Script(shell_text("machine.sh", "return_folder.sh"), data)
    client = machines.client(role)
    answer = brief.run(client, f"{name}-unpack", script, {}, seconds=LIMIT, cap=OUTPUT, stop=stop)
    status = answer.status
    if status.state in {"claimed", "starting", "running"}:
        raise TransferStopped("The transfer was stopped.")
    if status.state != "finished" or status.reason or status.exit_code is None:
        why = status.reason or status.state
        raise ActionError(_("How the unpacking ended is not known: %s. Send it again.") % why)
    if status.exit_code:
        raise ActionError(_explain(answer.printed, status.exit_code))


def _upload(
    transport: Transport, copy: Path, place: str, name: str, stop: Callable[[], bool], sha256: str = ""
) -> None:
    upload_file(transport, copy, place, attempt=name, progress=lambda done, total: None, stop=stop, sha256=sha256)


def _explain(printed: bytes, exit_code: int) -> str:
    last = [line for line in plain(printed).splitlines() if line.startswith("return: ")]
    word, _colon, what = last[-1].removeprefix("return: ").partition(": ") if last else ("", "", "")
    known = explain_tail(printed, exit_code) or f"exit {exit_code}"
    return str(_REASONS[word]) % {"what": what} if word in _REASONS else known
