"""Finding a check by its kind. A new check is a file and a line here; the page shows them in this order."""

from functools import cache
from typing import Final

from django.utils.module_loading import import_string

from releases.risks.finding import Check
from releases.risks.seed import VIEW_OF, VIEWS

CHECKS: Final = {
    "database_port": "releases.risks.database_port.CHECK",
    "env_files": "releases.risks.env_files.CHECK",
    "stored_secrets": "releases.risks.stored_secrets.CHECK",
    "ssh_login": "releases.risks.ssh_login.CHECK",
    "certificate": "releases.risks.certificate.CHECK",
    "https_redirect": "releases.risks.https_redirect.CHECK",
    "open_endpoint": "releases.risks.open_endpoint.CHECK",
    "single_host": "releases.risks.single_host.CHECK",
    "restart_policy": "releases.risks.restart_policy.CHECK",
    "memory": "releases.risks.memory.CHECK",
    "disk": "releases.risks.disk.CHECK",
    "cpu_steal": "releases.risks.cpu_steal.CHECK",
    "slow_answers": "releases.risks.slow_answers.CHECK",
    "file_descriptors": "releases.risks.file_descriptors.CHECK",
    "local_database": "releases.risks.local_database.CHECK",
    "downtime": "releases.risks.downtime.CHECK",
    "unreviewed_runbook": "releases.risks.unreviewed_runbook.CHECK",
    "manual_steps": "releases.risks.manual_steps.CHECK",
    "blind_steps": "releases.risks.blind_steps.CHECK",
    "estimate_drift": "releases.risks.estimate_drift.CHECK",
    "automatic_rollback": "releases.risks.automatic_rollback.CHECK",
    "unwatched_services": "releases.risks.unwatched_services.CHECK",
    "backup_schedule": "releases.risks.backup_schedule.CHECK",
    "backup_age": "releases.risks.backup_age.CHECK",
    "backup_proof": "releases.risks.backup_proof.CHECK",
    "backup_copy": "releases.risks.backup_copy.CHECK",
    "gpu_budgets": "releases.risks.gpu_budgets.CHECK",
    "gpu_worst_case": "releases.risks.gpu_worst_case.CHECK",
    "audit_chain": "releases.risks.audit_chain.CHECK",
    "audit_anchor": "releases.risks.audit_anchor.CHECK",
    "second_approver": "releases.risks.second_approver.CHECK",
    "superusers": "releases.risks.superusers.CHECK",
    "stale_accounts": "releases.risks.stale_accounts.CHECK",
}
_VIEWS: Final = [view.key for view in VIEWS]


@cache
def all_checks() -> tuple[Check, ...]:
    """Every check, by view."""
    found: list[Check] = [import_string(path) for path in CHECKS.values()]
    return tuple(sorted(found, key=lambda check: _VIEWS.index(view_of(check))))


@cache
def by_kind() -> dict[str, Check]:
    """Every check by its kind."""
    return {check.kind: check for check in all_checks()}


def view_of(check: Check) -> str:
    """The view in which a check stands: that of its first row."""
    return VIEW_OF[check.rows[0]]
