"""Running git on the controller, and when a release's commit was made."""

import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from releases.actions.base import ActionError
from releases.models import Project, Release

SECONDS: Final = 120  # for one command of git
COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")


def committed_at(release: Release) -> datetime | None:
    """When the release's commit was made, from what is on this controller already; None where that does not know it.

    Nothing is fetched: people wait for the answer.
    """
    if not COMMIT.fullmatch(release.commit):
        return None
    for folder in _near(release.project):
        try:
            found = git(folder, "log", "-1", "--format=%H%x00%cI", "--end-of-options", f"{release.commit}^{{commit}}")
        except ActionError:
            return None
        commit, _zero, moment = (found or "").strip().partition("\0")
        if commit.startswith(release.commit):
            return moment_of(moment)
    return None


def moment_of(text: str) -> datetime | None:
    """A moment as git writes it (%cI), in UTC; None where it is none that a database can keep."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def mirror_of(project: Project) -> Path:
    """Our copy of a repository that is named by an address."""
    return Path(settings.WORKSPACE_DIR) / f".{project.slug}.git"


def _near(project: Project) -> list[Path]:
    places = [Path(project.workspace()), mirror_of(project)]
    if project.repository.startswith("/"):
        places.append(Path(project.repository))
    return [place for place in places if is_repository(place)]


def is_repository(folder: Path) -> bool:
    """The folder itself is one: not a folder inside another repository."""
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def git(folder: Path, *arguments: str) -> str | None:
    """The output of git, or None when it failed. Runs no hook, asks nobody, speaks only safe protocols."""
    command = ["git", "-c", f"safe.directory={folder}", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    try:
        done = subprocess.run(
            [*command, "-C", str(folder), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise ActionError(_("git is not installed on this server. Install it.")) from error
    except subprocess.TimeoutExpired as error:
        raise ActionError(_("git did not answer within %s s.") % SECONDS) from error
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _environment() -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "USER", "TMPDIR") if name in os.environ},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "LC_ALL": "C.UTF-8",
    }
