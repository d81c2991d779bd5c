"""System checks for settings that work but are not safe. Each names the variable and the mend."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

MOUNTED_SECRETS = Path("/run/secrets")  # where containers mount secret files, readable inside only


@register(Tags.security)
def fault_points_are_off(**_: Any) -> list[CheckMessage]:
    """Fault points kill workers on purpose."""
    if not settings.FAULT_POINTS:
        return []
    kind = checks.Error if settings.PRODUCTION else checks.Warning
    return [
        kind(
            "CLOUDWIKI_FAULT_POINTS is on: deployments can be broken on purpose.",
            hint="Unset CLOUDWIKI_FAULT_POINTS, except in the fault tests.",
            id="cloudwiki.fault_points",
        )
    ]


@register(Tags.security)
def key_files_are_private(**_: Any) -> list[CheckMessage]:
    """Key files that other accounts of this machine can read."""
    files = {
        "CLOUDWIKI_SECRETS_KEY_FILE": settings.SECRETS_KEY_FILE,
        "CLOUDWIKI_SSH_KEY_FILE": settings.SSH_KEY_FILE,
    }
    return [
        checks.Warning(
            f"{name}: other accounts can read {path}.",
            hint=f"Run: chmod 600 {path}",
            id="cloudwiki.key_files",
        )
        for name, path in files.items()
        if path.exists() and MOUNTED_SECRETS not in path.parents and path.stat().st_mode & 0o077
    ]


@register(Tags.security, deploy=True)
def hosts_are_named(**_: Any) -> list[CheckMessage]:
    """A host name of `*` lets a forged Host header through to links and mails."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS accepts every host name.",
            hint="Set ALLOWED_HOSTS to the names that people type, such as wiki.example.com.",
            id="cloudwiki.allowed_hosts",
        )
    ]


@register(Tags.security, deploy=True)
def runs_in_production(**_: Any) -> list[CheckMessage]:
    """A deployment that forgot to say what it is."""
    if settings.PRODUCTION:
        return []
    return [
        checks.Warning(
            "CLOUDWIKI_ENV is not production: cookies travel without TLS and keys are made up on first use.",
            hint="Set CLOUDWIKI_ENV=production.",
            id="cloudwiki.environment",
        )
    ]
