"""The files and folders of a release on the controller: where they are, what they hold, what was recorded."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from releases.actions.base import ActionError
from releases.actions.remote_words import told
from releases.models import Artifact, Deployment, Release
from releases.remote.errors import TransferFailed, TransferStopped
from releases.remote.folders import Manifest, read_manifest

CHUNK = 1 << 20


@dataclass(frozen=True)
class Content:
    """What a file or folder holds. `sha256` of a folder is that of its manifest, as `upload_folder` computes it."""

    path: Path
    size: int  # bytes
    sha256: str
    files: int


def locate(release: Release, path: str) -> Path:
    """The place of an artifact; a relative path starts at the workspace.

    Raises ActionError for a path into this installation's own data, such as its keys.
    """
    workspace = Path(release.project.workspace())
    found = (workspace / path).resolve()
    allowed = [workspace.resolve(), Path(settings.ARTIFACTS_DIR).resolve(), Path(settings.WORKSPACE_DIR).resolve()]
    own = Path(settings.CLOUDWIKI_DATA).resolve()
    if found.is_relative_to(own) and not any(found.is_relative_to(folder) for folder in allowed):
        raise ActionError(_("%s belongs to Cloud Wiki itself. Give a path inside the project's workspace.") % path)
    return found


def find(release: Release, path: str, is_folder: bool) -> Path:
    """The place of an artifact that is there. Raises ActionError when it is missing or of the other sort."""
    found = locate(release, path)
    wanted = found.is_dir() if is_folder else found.is_file()
    if not wanted:
        kind = _("folder") if is_folder else _("file")
        names = {"kind": kind, "path": path, "workspace": release.project.workspace()}
        raise ActionError(_("There is no %(kind)s %(path)s in %(workspace)s. Build it first.") % names)
    return found


def read(release: Release, path: str, is_folder: bool, stop: Callable[[], bool] = lambda: False) -> Content:
    """Look at an artifact as it is now. Raises ActionError when it is missing or of the other sort."""
    found = find(release, path, is_folder)
    try:
        return _folder(found, stop) if is_folder else _file(found, stop)
    except TransferFailed as error:
        raise ActionError(told(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: OSError) -> ActionError:
    """What to say of an artifact that the system does not let us read."""
    return ActionError(_("%(path)s can't be read: %(why)s") % {"path": path, "why": error.strerror})


def row(deployment: Deployment, name: str) -> Artifact:
    """The release's artifact of this name; where the release has none, a new one at the path its upload step has.

    Raises ActionError when there is neither, or when its place is not the one in the plan.
    """
    artifact = deployment.release.artifacts.filter(name=name).first()
    if artifact is not None:
        _require_planned(deployment, artifact)
        return artifact
    for entry in deployment.plan.content["steps"]:
        parameters = entry["parameters"]
        if entry["action"] == "upload" and parameters.get("artifact") == name and parameters.get("source"):
            return Artifact(
                release=deployment.release, name=name, path=parameters["source"], is_folder=parameters["folder"]
            )
    raise ActionError(_("The release has no artifact %s. Add it on the release's page.") % name)


def _require_planned(deployment: Deployment, artifact: Artifact) -> None:
    """The plan names the artifact at this path, or was made for what its upload step names where it has none."""
    content = deployment.plan.content
    places = [entry["path"] for entry in content["release"]["artifacts"] if entry["name"] == artifact.name]
    if not places:
        sent = [entry["parameters"] for entry in content["steps"] if entry["action"] == "upload"]
        places = [place["source"] for place in sent if place.get("artifact") == artifact.name and place.get("source")]
    if places and artifact.path not in places:
        sentence = _("%s was named at another path after the plan was made. Make a new plan.")
        raise ActionError(sentence % artifact.name)


def record(artifact: Artifact) -> dict[str, Any]:
    """Keep what the artifact holds now in its row; returns the evidence. Raises ActionError when it is missing."""
    found = read(artifact.release, artifact.path, artifact.is_folder)
    artifact.size, artifact.sha256, artifact.recorded_at = found.size, found.sha256, timezone.now()
    artifact.save()
    return {"name": artifact.name, "path": artifact.path, "size": found.size, "sha256": found.sha256}


def produced(deployment: Deployment, name: str) -> bool:
    """Whether a step of the plan makes this artifact."""
    steps = deployment.plan.content["steps"]
    return any(name in s["parameters"].get("produces", []) and not s["skipped_because"] for s in steps)


def _file(path: Path, stop: Callable[[], bool]) -> Content:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
            size += len(data)
            if stop():
                raise TransferStopped("Reading was stopped.")
    return Content(path, size, digest.hexdigest(), 1)


def _folder(path: Path, stop: Callable[[], bool]) -> Content:
    manifest = read_manifest(path, stop)
    names = [name for name, entry in manifest.items() if entry.kind == "f"]
    size = sum((path / name.decode(errors="surrogateescape")).stat().st_size for name in names)
    return Content(path, size, _manifest_sum(manifest), len(names))


def _manifest_sum(manifest: Manifest) -> str:
    lines = (b"%s\0%s\0%o\0%s\0" % (p, e.kind.encode(), e.mode, e.content) for p, e in sorted(manifest.items()))
    return hashlib.sha256(b"".join(lines)).hexdigest()
