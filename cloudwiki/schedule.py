"""What beat sends, and how often."""

from typing import Any

# Seconds after which a message is dropped, so that few wait for a worker that is away. They expire by the worker's
# clock, which may be minutes ahead of beat's.
EXPIRES = 1800
# Seconds between two messages of each task of releases/tasks.py.
SECONDS: dict[str, float] = {
    "reconcile": 5.0,
    "publish_pages": 10.0,
    "watch_rules": 3.0,
    "deliver_notices": 3.0,
    "watch_announcements": 15.0,
    "daily_backups": 30.0,
    "prune_backups": 600.0,
    "reconcile_gpu_bills": 600.0,
    "check_gpu_daily": 300.0,
    "watch_thresholds": 300.0,
    "tidy": 1800.0,
    "order_readings": 15.0,
    "prune_readings": 3600.0,
    "risks_due": 300.0,
}


def of(gpu_watch_seconds: int) -> dict[str, dict[str, Any]]:
    """The schedule as Celery reads it."""
    seconds = SECONDS | {"watch_gpu": float(gpu_watch_seconds)}
    return {
        name: {"task": f"releases.tasks.{name}", "schedule": every, "options": {"expires": EXPIRES}}
        for name, every in seconds.items()
    }
