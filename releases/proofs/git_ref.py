"""The commit exists and the branch or tag holds it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.utils.translation import gettext as _

from releases.actions.base import ActionError
from releases.models import Deployment, Project, Release
from releases.proofs.evidence import Evidence, line
from releases.proofs.git import COMMIT, git, is_repository, mirror_of, moment_of

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
    found = git(folder, "log", "-1", form, "--end-of-options", f"{release.commit}^{{commit}}")
    commit, *about = (found or "").strip("\n").split("\0")
    # A branch may be called like a short commit; git would take the branch.
    if len(about) != 3 or not commit.startswith(release.commit):
        note = _("Commit %s is not in the repository. Push it, fetch it into the workspace, or correct the release.")
        return Evidence(False, seen, note % release.commit)
    seen += [line(_("Commit"), commit), line(_("Author"), f"{about[0]}, {about[1]}"), line(_("Subject"), about[2])]
    # For lead times; a commit that is told by its digest never changes its time.
    Release.objects.filter(pk=release.pk, commit=release.commit).update(committed_at=moment_of(about[1]))
    holders = _holders(folder, commit, release.branch)
    if not holders:
        note = _("%(branch)s does not hold commit %(commit)s, or does not exist. Correct the release, or merge it.")
        return Evidence(False, seen, note % {"branch": release.branch, "commit": release.commit})
    seen.append(line(_("Held by"), ", ".join(holders)))
    return Evidence(True, seen, _checked_out(release, commit, seen))


def _checked_out(release: Release, commit: str, seen: list[dict[str, str]]) -> str:
    """Add what is checked out where builds run; a warning when that is another commit."""
    workspace = Path(release.project.workspace())
    head = git(workspace, "rev-parse", "--verify", "--quiet", "HEAD") if is_repository(workspace) else None
    if not head:
        return ""
    seen.append(line(_("Checked out in the workspace"), head.strip()))
    if head.strip() == commit:
        return ""
    return _("Another commit is checked out in the workspace; a build there would build that one.")


def _repository(project: Project) -> Path:
    """The folder to ask: the workspace, the project's folder, or our mirror of its address, freshly fetched."""
    workspace = Path(project.workspace())
    if is_repository(workspace):
        return workspace
    if not project.repository:
        sentence = _("%s is not a Git repository. Clone the project there, or name its repository in the project.")
        raise ActionError(sentence % workspace)
    if ADDRESS.fullmatch(project.repository):
        return _mirror(project)
    folder = Path(project.repository)
    if not folder.is_absolute() or not is_repository(folder):
        raise ActionError(_("%s is not a Git repository on this server. Correct the project's repository.") % folder)
    return folder


def _mirror(project: Project) -> Path:
    mirror = mirror_of(project)
    if not is_repository(mirror):
        mirror.mkdir(mode=0o700, parents=True, exist_ok=True)
        git(mirror, "init", "--quiet", "--bare")
    wanted = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    fetched = git(mirror, "fetch", "--quiet", "--prune", "--end-of-options", project.repository, *wanted)
    if fetched is None:
        sentence = _("%s can't be fetched. Check the address and this server's access to it.")
        raise ActionError(sentence % project.repository)
    return mirror


def _holders(folder: Path, commit: str, name: str) -> list[str]:
    places = (f"refs/heads/{name}", f"refs/remotes/origin/{name}", f"refs/tags/{name}")
    found = git(folder, "for-each-ref", "--format=%(refname)", f"--contains={commit}", *places)
    return [place for place in (found or "").split() if place in places]
