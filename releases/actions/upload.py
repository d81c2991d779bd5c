"""Sending what was built."""

import time
from dataclasses import asdict
from typing import Any

from django.utils.translation import gettext as _

from releases.actions import artifacts
from releases.actions.artifacts import Content
from releases.actions.base import ActionError, DirectAction, StepContext
from releases.actions.remote_words import told
from releases.actions.texts import shown, size
from releases.models import Artifact
from releases.remote.errors import TransferDiffers, TransferFailed, TransferStopped
from releases.remote.folders import upload_folder
from releases.remote.transfer import Transferred, upload_file


class Upload(DirectAction):
    """A file or a folder to a host: checked before and after, put in place by a rename, only what changed is sent."""

    kind = "upload"

    def run(self, context: StepContext) -> None:
        context.say(shown(context.planned.lines))
        try:
            found = self._source(context)
            destination = _destination(context.parameters["destination"], found.path.name)
            moved = _send(context, found, destination)
        except TransferStopped:
            return
        except TransferFailed as error:
            if isinstance(error, TransferDiffers) and _reread(context, found) != found.sha256:
                raise _changed(found) from error
            raise ActionError(told(error)) from error
        if moved.sha256 != found.sha256:
            raise _changed(found)
        _tell(context, moved, destination)

    def _source(self, context: StepContext) -> Content:
        parameters, release = context.parameters, context.deployment.release
        name, is_folder = parameters.get("artifact", ""), bool(parameters.get("folder"))
        artifact = artifacts.row(context.deployment, name) if name else None
        path = artifact.path if artifact else parameters["source"]
        found = artifacts.read(release, path, is_folder, context.stop)
        expected = _expected(context, artifact) if artifact else ""
        if expected and found.sha256 != expected:
            sums = {"name": name, "found": found.sha256[:12], "expected": expected[:12]}
            sentence = _("%(name)s is not what was recorded: its sha256 is %(found)s, not %(expected)s.")
            mend = _("Build it again, or record it anew on the release page.")
            raise ActionError(f"{sentence % sums} {mend}")
        return found


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


def _send(context: StepContext, found: Content, destination: str) -> Transferred:
    transport, attempt = context.transport(), context.attempt.remote_id
    common: dict[str, Any] = {"attempt": attempt, "progress": Progress(context), "stop": context.stop}
    if context.parameters.get("folder"):
        return upload_folder(transport, found.path, destination, **common)
    return upload_file(transport, found.path, destination, sha256=found.sha256, **common)


def _reread(context: StepContext, found: Content) -> str:
    return artifacts.read(context.deployment.release, str(found.path), bool(context.parameters.get("folder"))).sha256


def _changed(found: Content) -> ActionError:
    return ActionError(_("%s changed while it was sent. Wait until its build is over and try again.") % found.path)


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
