"""The demo's releases, built from their real commits, and the first one at each site of the demo host."""

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path

from demo import sample
from demo.machine import Machine, Site
from releases.actions import artifacts
from releases.models import Artifact, Project, Release
from releases.proofs import git

ARTIFACTS = (("backend", "build/libs/app.jar", False), ("frontend", ".next", True))
RUNNING = sample.VERSIONS[0].number


def load(project: Project, machine: Machine, workspace: Path) -> None:
    """Make the releases where they are missing; put the first where nothing is on the host."""
    commits = sample.make(workspace, machine.bin / "build")
    empty = [site for site in machine.sites.values() if not (site.app / "backend" / "app.jar").exists()]
    for version in sample.VERSIONS:
        release, is_new = Release.objects.get_or_create(
            project=project,
            version=version.number,
            defaults={"commit": commits[version.number], "branch": "main", "notes": version.notes},
        )
        if release.committed_at is None:
            Release.objects.filter(pk=release.pk).update(committed_at=git.committed_at(release))
        if is_new or (empty and version.number == RUNNING):
            with redirect_stdout(io.StringIO()):
                sample.build_at(workspace, version.number)
            _record(release)
            if version.number == RUNNING:
                for site in empty:
                    put_there(site, workspace)
    if empty:
        with redirect_stdout(io.StringIO()):
            sample.build_at(workspace, sample.VERSIONS[-1].number)


def _record(release: Release) -> None:
    for name, path, is_folder in ARTIFACTS:
        service = release.project.services.get(key=name)
        artifact, _made = Artifact.objects.get_or_create(
            release=release, name=name, defaults={"service": service, "path": path, "is_folder": is_folder}
        )
        artifacts.record(artifact)


def put_there(site: Site, workspace: Path) -> None:
    """The state in which a team comes to Cloud Wiki: its version already runs, put there by hand."""
    shutil.copy2(workspace / "build" / "libs" / "app.jar", site.app / "backend" / "app.jar")
    shutil.copytree(workspace / ".next", site.app / "frontend" / ".next", dirs_exist_ok=True)
