"""The secrets that commands on an environment's machines may open."""

from django.core.exceptions import ImproperlyConfigured

from releases import secrets
from releases.models import Deployment, Environment


def opened(environment: Environment) -> tuple[dict[str, str], str]:
    """The environment's secrets by name, or none of them and why they can't be opened."""
    rows = environment.variables.filter(is_secret=True)
    try:
        return {row.name: secrets.open_sealed(bytes(row.ciphertext)) for row in rows}, ""
    except (secrets.SecretUnreadable, ImproperlyConfigured) as error:
        return {}, str(error)


def changed(deployment: Deployment) -> set[str]:
    """Names of secrets of the plan that have another value by now than when it was approved."""
    rows = deployment.environment.variables.filter(is_secret=True)
    now = {name: (version, pk) for name, version, pk in rows.values_list("name", "version", "pk")}
    content = deployment.plan.content
    ids = content.get("secret_rows", {name: pk for name, (_version, pk) in now.items()})  # older plans have none
    planned = {name: (version, ids.get(name)) for name, version in content["secrets"].items()}
    return {name for name, approved in planned.items() if now.get(name) != approved}
