"""The commit exists and the branch or tag holds it."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _

from releases.actions.base import ActionError
from releases.models import Deployment, Project, Release
from releases.proofs.evidence import Evidence, line

SECONDS: Final = 120  # for one command of git
COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
REFERENCE: Final = re.compile(r"(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[A-Za-z0-9][A-Za-z0-9._/+-]*")
ADDRESS: Final = re.compile(r"(?:https?|ssh|git|file)://[^\s-][^\s]*|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^\s-][^\s]*")


def prove(_parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Ask git on the controller, in the project's workspace, or in the repository named by the project."""
    release = deployment.release
    if not COMMIT.fullmatch(release.commit) or not REFERENCE.fullmatch(release.branch):
        raise ActionError(_("The release names no usable commit and branch. Correct them on its page."))
    folder = _repository(release.project)
    seen = [line(_("Repository"), release.project.repository or folder)]
    form = "--format=%H%x00%an%x00%cI%x00%s"
    found = _git(folder, "log", "-1", form, "--end-of-options", f"{release.commit}^{{commit}}")
    commit, *about = (found or "").strip("\n").split("\0")
    # A branch may be called like a short commit; git would take the branch.
    if len(about) != 3 or not commit.startswith(release.commit):
        note = _("Commit %s is not in the repository. Push it, fetch it into the workspace, or correct the release.")
        return Evidence(False, seen, note % release.commit)
    seen += [line(_("Commit"), commit), line(_("Author"), f"{about[0]}, {about[1]}"), line(_("Subject"), about[2])]
    holders = _holders(folder, commit, release.branch)
    if not holders:
        note = _("%(branch)s does not hold commit %(commit)s, or does not exist. Correct the release, or merge it.")
        return Evidence(False, seen, note % {"branch": release.branch, "commit": release.commit})
    seen.append(line(_("Held by"), ", ".join(holders)))
    return Evidence(True, seen, _checked_out(release, commit, seen))


def _checked_out(release: Release, commit: str, seen: list[dict[str, str]]) -> str:
    """Add what is checked out where builds run; a warning when that is another commit."""
    workspace = Path(release.project.workspace())
    head = _git(workspace, "rev-parse", "--verify", "--quiet", "HEAD") if _is_repository(workspace) else None
    if not head:
        return ""
    seen.append(line(_("Checked out in the workspace"), head.strip()))
    if head.strip() == commit:
        return ""
    return _("Another commit is checked out in the workspace; a build there would build that one.")


def _repository(project: Project) -> Path:
    """The folder to ask: the workspace, the project's folder, or our mirror of its address, freshly fetched."""
    workspace = Path(project.workspace())
    if _is_repository(workspace):
        return workspace
    if not project.repository:
        sentence = _("%s is not a Git repository. Clone the project there, or name its repository in the project.")
        raise ActionError(sentence % workspace)
    if ADDRESS.fullmatch(project.repository):
        return _mirror(project)
    folder = Path(project.repository)
    if not folder.is_absolute() or not _is_repository(folder):
        raise ActionError(_("%s is not a Git repository on this server. Correct the project's repository.") % folder)
    return folder


def _mirror(project: Project) -> Path:
    mirror = Path(settings.WORKSPACE_DIR) / f".{project.slug}.git"
    if not _is_repository(mirror):
        mirror.mkdir(mode=0o700, parents=True, exist_ok=True)
        _git(mirror, "init", "--quiet", "--bare")
    wanted = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    fetched = _git(mirror, "fetch", "--quiet", "--prune", "--end-of-options", project.repository, *wanted)
    if fetched is None:
        sentence = _("%s can't be fetched. Check the address and this server's access to it.")
        raise ActionError(sentence % project.repository)
    return mirror


def _holders(folder: Path, commit: str, name: str) -> list[str]:
    places = (f"refs/heads/{name}", f"refs/remotes/origin/{name}", f"refs/tags/{name}")
    found = _git(folder, "for-each-ref", "--format=%(refname)", f"--contains={commit}", *places)
    return [place for place in (found or "").split() if place in places]


def _is_repository(folder: Path) -> bool:
    """The folder itself is one: not a folder inside another repository."""
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _git(folder: Path, *arguments: str) -> str | None:
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
