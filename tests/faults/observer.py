"""What the database itself saw: who took a lease from whom, and which process wrote what."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

TABLES = """
CREATE TABLE fault_lease (
    deployment_id bigint, owner text, token bigint, was_until timestamptz, at timestamptz DEFAULT clock_timestamp()
);
CREATE TABLE fault_write (
    deployment_id bigint, what text, writer text DEFAULT current_setting('application_name'),
    at timestamptz DEFAULT clock_timestamp()
);
CREATE FUNCTION fault_see_lease() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO fault_lease VALUES (NEW.deployment_id, NEW.owner, NEW.token, OLD.until);
    RETURN NULL;
END $$;
CREATE TRIGGER fault_lease AFTER UPDATE ON releases_lease FOR EACH ROW
    WHEN (NEW.token <> OLD.token) EXECUTE FUNCTION fault_see_lease();
"""
# Each written table and the deployment that a row of it belongs to.
WRITTEN = {
    "releases_deployment": "NEW.id",
    "releases_step": "NEW.deployment_id",
    "releases_attempt": "(SELECT deployment_id FROM releases_step WHERE id = NEW.step_id)",
    "releases_logchunk": "(SELECT deployment_id FROM releases_step JOIN releases_attempt a ON a.step_id ="
    " releases_step.id WHERE a.id = NEW.attempt_id)",
}
WATCH = """
CREATE FUNCTION fault_see_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO fault_write (deployment_id, what) VALUES ({deployment}, '{table}');
    RETURN NULL;
END $$;
CREATE TRIGGER fault_write AFTER INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION fault_see_{table}();
"""


@dataclass(frozen=True)
class Taken:
    """A lease changed hands. `live`: although its holder's time was not over, and the holder had not given it back.

    The end of a lease may be far ahead where the clock of the database was put back; that one is over.
    """

    owner: str
    token: int
    at: datetime
    live: bool

    @property
    def process(self) -> int:
        """The process that took it."""
        return int(self.owner.rpartition(":")[2])


def install() -> None:
    """Begin to watch."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        for table, deployment in WRITTEN.items():
            cursor.execute(WATCH.format(table=table, deployment=deployment))


def leases(deployment_id: int) -> list[Taken]:
    """Every change of the deployment's lease, oldest first."""
    from releases.models import lease

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT owner, token, at, coalesce(was_until > at AND was_until < at + make_interval(secs => %s), false)"
            " FROM fault_lease WHERE deployment_id = %s ORDER BY token",
            [lease.FARTHEST_SECONDS, deployment_id],
        )
        return [Taken(*row) for row in cursor.fetchall()]


def writes(deployment_id: int, process: int, since: datetime) -> list[tuple[str, datetime]]:
    """What a process wrote about the deployment from `since` on: table and time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT what, at FROM fault_write WHERE deployment_id = %s AND writer = %s AND at >= %s ORDER BY at",
            [deployment_id, str(process), since],
        )
        return list(cursor.fetchall())
