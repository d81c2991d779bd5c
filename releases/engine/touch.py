"""Telling screens that a deployment changed."""

from django.db import connection, transaction

from releases.logs import hub


def bump(deployment_id: int) -> int:
    """Raise the deployment's version in the current transaction; screens are told after commit.

    Returns the new version.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE releases_deployment SET version = version + 1 WHERE id = %s RETURNING version", [deployment_id]
        )
        (version,) = cursor.fetchone()
    transaction.on_commit(lambda: hub.publish_state(deployment_id, version))
    return int(version)
