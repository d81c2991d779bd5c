"""Whether this process is up, and whether what it needs answers."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from cloudwiki import reach
from cloudwiki.shutdown import stopping


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing about the database."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served, else 503 with what is not ready. No detail that helps an attacker.

    Answers within about 5 s also when PostgreSQL or Redis hang.
    """
    reasons = [reason for reason in (_own_problem(), _database_problem(), _redis_problem()) if reason]
    return JsonResponse({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


def _own_problem() -> str:
    return "This process is ending" if stopping.is_set() else ""


def _database_problem() -> str:
    answer = reach.postgresql()
    if answer.problem:
        return f"PostgreSQL does not answer ({answer.problem})"
    try:
        return "" if tables.are_current() else "The tables are of another version: run the migrations"
    except DatabaseError as error:
        return f"PostgreSQL does not answer ({type(error).__name__})"


def _redis_problem() -> str:
    answer = reach.redis_server()
    return f"Redis does not answer ({answer.problem})" if answer.problem else ""


class Tables:
    """Whether every migration of this version has been made. Once they have, nothing takes them back."""

    def __init__(self) -> None:
        self._known = False

    def are_current(self) -> bool:
        """Ask the database until it says yes. Raises DatabaseError."""
        if not self._known:
            executor = MigrationExecutor(connection)
            self._known = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        return self._known


tables = Tables()
