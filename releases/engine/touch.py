"""Telling screens that a deployment changed."""

from django.db import transaction
from django.db.models import F

from releases.logs import hub
from releases.models import Deployment


def bump(deployment_id: int) -> int:
    """Raise the deployment's version in the current transaction; screens are told after commit.

    Returns the new version.
    """
    Deployment.objects.filter(pk=deployment_id).update(version=F("version") + 1)
    version = int(Deployment.objects.values_list("version", flat=True).get(pk=deployment_id))
    transaction.on_commit(lambda: hub.publish_state(deployment_id, version))
    return version
