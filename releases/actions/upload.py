"""Sending what was built."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from releases.actions import artifacts
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.actions.remote_words import told
from releases.actions.texts import shown, size
from releases.models import Artifact
from releases.remote.errors import SourceChanged, TransferFailed, TransferStopped
from releases.remote.folders import upload_folder
from releases.remote.transfer import Transferred, upload_file


class Upload(DirectAction):
    """A file or a folder to a host: checked before and after, put in place by a rename, only what changed is sent."""

    kind = "upload"

    def run(self, context: StepContext) -> None:
        context.say(shown(context.planned.lines))
        source = _source(context)
        destination = _destination(context.parameters["destination"], source.place.name)
        try:
            moved = _sent(context, source, destination)
        except TransferStopped:
            return
        except TransferFailed as error:
            raise ActionError(told(error)) from error
        except OSError as error:
            raise artifacts.unreadable(source.path, error) from error
        _tell(context, moved, destination)


@dataclass(frozen=True)
class _Source:
    """What is sent: its path as it was given, where that is, and what was recorded of the artifact of that `name`."""

    path: str
    place: Path
    name: str = ""
    sha256: str = ""


class Progress:
    """Tells the page, and the log at each tenth."""

    def __init__(self, context: StepContext) -> None:
        self._context = context
        self._began = time.monotonic()
        self._tenth = 0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._context.progress(done, total)
        tenth = done * 10 // total if total else 10
        if tenth > self._tenth:
            self._tenth = tenth
            speed = size(int(done / max(now - self._began, 0.001)))
            self._context.say(f"{tenth * 10:3d} %  {size(done)} / {size(total)}  {speed}/s")


def _source(context: StepContext) -> _Source:
    parameters, deployment = context.parameters, context.deployment
    name = parameters.get("artifact", "")
    artifact = artifacts.row(deployment, name) if name else None
    path = artifact.path if artifact else parameters["source"]
    place = artifacts.find(deployment.release, path, bool(parameters.get("folder")))
    return _Source(path, place, name, _expected(context, artifact) if artifact else "")


def _sent(context: StepContext, source: _Source, destination: str) -> Transferred:
    try:
        return _send(context, source, destination)
    except SourceChanged as error:
        _require_recorded(source, _read(context, source))
        raise _changed(source) from error


def _send(context: StepContext, source: _Source, destination: str) -> Transferred:
    transport, attempt = context.transport(), context.attempt.remote_id
    common: dict[str, Any] = {"attempt": attempt, "progress": Progress(context), "stop": context.stop}
    if not context.parameters.get("folder"):
        return upload_file(transport, source.place, destination, sha256=source.sha256, **common)
    found = _read(context, source)
    _require_recorded(source, found)
    moved = upload_folder(transport, source.place, destination, **common)
    if moved.sha256 != found:
        raise _changed(source)
    return moved


def _read(context: StepContext, source: _Source) -> str:
    is_folder = bool(context.parameters.get("folder"))
    return artifacts.read(context.deployment.release, source.path, is_folder, context.stop).sha256


def _require_recorded(source: _Source, found: str) -> None:
    if source.sha256 and found != source.sha256:
        sums = {"name": source.name, "found": found[:12], "expected": source.sha256[:12]}
        sentence = _("%(name)s is not what was recorded: its sha256 is %(found)s, not %(expected)s.")
        mend = _("Build it again, or record it anew on the release page.")
        raise ActionError(f"{sentence % sums} {mend}")


def _changed(source: _Source) -> ActionError:
    return ActionError(_("%s changed while it was sent. Wait until its build is over and try again.") % source.place)


def _expected(context: StepContext, artifact: Artifact) -> str:
    """The digest that was recorded: by the build step of this plan, or else when the plan was made."""
    if artifacts.produced(context.deployment, artifact.name):
        return artifact.sha256
    shipped = context.deployment.plan.content["release"]["artifacts"]
    planned = next((entry["sha256"] for entry in shipped if entry["name"] == artifact.name), "")
    return planned or artifact.sha256


def _destination(path: str, name: str) -> str:
    """Where it goes: a path that ends in / is the folder to put it in, a relative one starts at the home folder."""
    if not path.startswith(("/", "~/")):
        path = f"~/{path}" if path != "~" else "~/"
    return path + name if path.endswith("/") else path


def _tell(context: StepContext, moved: Transferred, destination: str) -> None:
    context.evidence |= {**asdict(moved), "seconds": round(moved.seconds, 2), "destination": destination}
    words = {"sent": moved.files_sent, "files": moved.files, "size": size(moved.size)}
    context.say(_("%(sent)s of %(files)s files sent, %(size)s") % words + f", {moved.seconds:.1f} s")
    context.say(f"sha256 {moved.sha256}  {destination}")
