"""The processes of Cloud Wiki. Each function is one command, the same under `make up` and in a container."""

import os
import socket
import time
import warnings

import django
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection

from cloudwiki import keys

LISTEN_FD = "CLOUDWIKI_LISTEN_FD"  # an open listening socket that the supervisor hands down
DATABASE_SECONDS = 60  # how long a database that is starting is waited for
MIGRATION_LOCK = 0x636C6F75  # any number, the same everywhere: one migration at a time


def web() -> int:
    """The web server: uvicorn on CLOUDWIKI_HOST:CLOUDWIKI_PORT, until SIGTERM."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            "cloudwiki.asgi:application",
            host=settings.CLOUDWIKI_HOST,
            port=settings.CLOUDWIKI_PORT,
            lifespan="off",
            ws="none",  # Django has none, whatever package for them is about
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=settings.CLOUDWIKI_GRACEFUL_SECONDS,
        )
    )
    inherited = os.environ.get(LISTEN_FD)
    server.run(sockets=[socket.socket(fileno=int(inherited))] if inherited else None)
    return 0


def worker() -> int:
    """A Celery worker with CLOUDWIKI_WORKERS processes."""
    from cloudwiki.celery import app

    # It warns of root because of pickled messages; ours are JSON.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    app.worker_main(
        ["--quiet", "worker", "--pool=prefork", "--without-gossip", "--without-mingle", f"--loglevel={_level()}"]
    )
    return 0


def beat() -> int:
    """Celery's clock. Its schedule is fixed, so it keeps no file that a crash could ruin."""
    from cloudwiki.celery import app

    app.start(["--quiet", "beat", "--scheduler=celery.beat:Scheduler", "--pidfile=", f"--loglevel={_level()}"])
    return 0


def probes() -> int:
    """The health probes, in a process that a long step cannot delay."""
    django.setup()
    call_command("run_probes")
    return 0


def migrate() -> int:
    """Make what an installation needs: folders, the SSH key, tables. Safe to run again and side by side."""
    django.setup()
    for folder in (settings.ARTIFACTS_DIR, settings.WORKSPACE_DIR, settings.BACKUPS_DIR, settings.ATTEMPTS_DIR):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys.ensure_ssh_key(settings.SSH_KEY_FILE)
    _wait_for_database()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            call_command("migrate", interactive=False, verbosity=1 if _is_behind() else 0)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
    return 0


def demo() -> int:
    """`migrate`, then the demo project."""
    migrate()
    call_command("load_demo")
    return 0


def _is_behind() -> bool:
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _wait_for_database() -> None:
    deadline = time.monotonic() + DATABASE_SECONDS
    while True:
        try:
            connection.ensure_connection()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _level() -> str:
    level: str = settings.LOGGING["root"]["level"]
    return level
