"""The demo's releases, built from their real commits, and the first one on the demo host."""

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path

from demo import sample
from demo.machine import Machine
from releases.actions import artifacts
from releases.models import Artifact, Project, Release

ARTIFACTS = (("backend", "build/libs/app.jar", False), ("frontend", ".next", True))
RUNNING = sample.VERSIONS[0].number


def load(project: Project, machine: Machine, workspace: Path) -> None:
    """Make the releases where they are missing; put the first on the host when nothing is there."""
    commits = sample.make(workspace, machine.bin / "build")
    is_empty = not (machine.app / "backend" / "app.jar").exists()
    for version in sample.VERSIONS:
        release, is_new = Release.objects.get_or_create(
            project=project,
            version=version.number,
            defaults={"commit": commits[version.number], "branch": "main", "notes": version.notes},
        )
        if is_new or (is_empty and version.number == RUNNING):
            with redirect_stdout(io.StringIO()):
                sample.build_at(workspace, version.number)
            _record(release)
            if is_empty and version.number == RUNNING:
                put_on_host(machine, workspace)
    if is_empty:
        with redirect_stdout(io.StringIO()):
            sample.build_at(workspace, sample.VERSIONS[-1].number)


def _record(release: Release) -> None:
    for name, path, is_folder in ARTIFACTS:
        service = release.project.services.get(key=name)
        artifact, _made = Artifact.objects.get_or_create(
            release=release, name=name, defaults={"service": service, "path": path, "is_folder": is_folder}
        )
        artifacts.record(artifact)


def put_on_host(machine: Machine, workspace: Path) -> None:
    """The state in which a team comes to Cloud Wiki: its version already runs, put there by hand."""
    shutil.copy2(workspace / "build" / "libs" / "app.jar", machine.app / "backend" / "app.jar")
    shutil.copytree(workspace / ".next", machine.app / "frontend" / ".next", dirs_exist_ok=True)
