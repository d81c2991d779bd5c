"""Finding the check of a checklist item by its kind. A new kind is a file, a line here, and its schema."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.module_loading import import_string

from releases.actions.base import ActionError
from releases.actions.remote_words import told
from releases.models import Deployment
from releases.proofs.evidence import Evidence
from releases.remote.errors import RemoteError
from releases.runbooks.placeholders import PlaceholderError

PROOFS: Final = {
    "git_ref": "releases.proofs.git_ref.prove",
    "artifacts": "releases.proofs.artifacts.prove",
    "migration": "releases.proofs.migration.prove",
    "backup_age": "releases.proofs.backup_age.prove",
    "disk_free": "releases.proofs.disk_free.prove",
    "url": "releases.proofs.url.prove",
    "command": "releases.proofs.command.prove",
    "gpu": "releases.proofs.gpu.prove",
}


def prove(item: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """Run the check of one entry of the plan's checklist ({"proof", "parameters", ...}).

    What can't be looked at is a failed proof with the reason, never an error. Raises KeyError for another kind.
    """
    check = import_string(PROOFS[item["proof"]])
    try:
        found: Evidence = check(item["parameters"], deployment)
    except RemoteError as error:
        return Evidence(False, [], told(error))
    except (ActionError, PlaceholderError) as error:
        return Evidence(False, [], str(error))
    return found
