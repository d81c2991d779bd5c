"""The SQL is there when the schema changes."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from releases.actions.sql import fits_one_transaction, statements
from releases.models import Deployment
from releases.proofs.evidence import Evidence, line


def prove(_parameters: Mapping[str, Any], deployment: Deployment) -> Evidence:
    """State whether the schema changes; if so, show the migration that will run."""
    release = deployment.release
    if not release.schema_changed:
        return Evidence(True, [line(_("Database schema"), _("does not change"))])
    seen = [line(_("Database schema"), _("changes"))]
    sql = release.migration_sql
    if not release.migration_name or not statements(sql):
        note = _("The schema changes but the migration SQL is missing. Give its name and text on the release's page.")
        return Evidence(False, seen, note)
    together = _("in one transaction") if fits_one_transaction(sql) else _("not in one transaction")
    seen += [
        line(_("File"), release.migration_name),
        line(_("Lines"), len(sql.splitlines())),
        line(_("Statements"), f"{len(statements(sql))}, {together}"),
        line("SHA-256", hashlib.sha256(sql.encode()).hexdigest()),
    ]
    return Evidence(True, seen)
