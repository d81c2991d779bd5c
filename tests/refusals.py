"""A database that takes no audit event of an action, to see what becomes of the change that it records."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_FUNCTION = """
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$
"""
_TRIGGER = """
CREATE TRIGGER refused BEFORE INSERT ON releases_auditevent
FOR EACH ROW WHEN (NEW.action = '{action}') EXECUTE FUNCTION pg_temp.refuse()
"""


@contextmanager
def no_record_of(action: str) -> Iterator[None]:
    """While it is open, recording this action fails."""
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTION)
        cursor.execute(_TRIGGER.format(action=action))
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER refused ON releases_auditevent")
            cursor.execute("DROP FUNCTION pg_temp.refuse()")
