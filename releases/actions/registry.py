"""Finding the action of a step by its kind. A new kind is a file, a line here, and its schema."""

from functools import cache
from typing import Final

from django.utils.module_loading import import_string

from releases.actions.base import Action

ACTIONS: Final = {
    "shell": "releases.actions.shell.Shell",
    "upload": "releases.actions.upload.Upload",
    "backup_files": "releases.actions.backup_files.BackupFiles",
    "backup_database": "releases.actions.backup_database.BackupDatabase",
    "prove_backup": "releases.actions.prove_backup.ProveBackup",
    "restore_files": "releases.actions.restore_files.RestoreFiles",
    "restore_database": "releases.actions.restore_database.RestoreDatabase",
    "sql": "releases.actions.sql.Sql",
    "http_check": "releases.actions.http_check.HttpCheck",
    "watch_logs": "releases.actions.watch_logs.WatchLogs",
    "maintenance_page": "releases.actions.maintenance_page.MaintenancePage",
    "gpu_check": "releases.actions.gpu_check.GpuCheck",
    "gpu_create": "releases.actions.gpu_create.GpuCreate",
    "gpu_prove": "releases.actions.gpu_prove.GpuProve",
    "gpu_switch": "releases.actions.gpu_switch.GpuSwitch",
    "gpu_retain": "releases.actions.gpu_retain.GpuRetain",
    "gpu_stop": "releases.actions.gpu_stop.GpuStop",
    "announce": "releases.actions.announce.Announce",
    "manual": "releases.actions.manual.Manual",
    "wait": "releases.actions.wait.Wait",
}


@cache
def find(kind: str) -> Action:
    """The action of a kind; actions hold no state, so one of each is enough. Raises KeyError for another kind."""
    action: Action = import_string(ACTIONS[kind])()
    return action
