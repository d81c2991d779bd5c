"""What the steps about GPU endpoints share: which endpoint, by whom it is reached, and how its errors are told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from django.utils.translation import gettext as _

from releases import secrets
from releases.actions import gpu_words
from releases.actions.base import ActionError, NotApproved, StepContext
from releases.audit import Actor
from releases.endpoints import accounts
from releases.gpu.errors import GpuError, Stopped
from releases.gpu.provider import Provider
from releases.models import Deployment, GpuAccount, GpuEndpoint, Variable

CALL_SECONDS: Final = 120.0  # for one call of the provider, its retries included


def signed(deployment: Deployment) -> Mapping[str, Any]:
    """What the plan says of the endpoint. Raises ActionError for a plan that is about none."""
    found: Mapping[str, Any] | None = deployment.plan.content.get("gpu")
    if found is None:
        raise ActionError(_("The plan is about no GPU endpoint. Give the release its GPU part, and make a new plan."))
    return found


def account_of(deployment: Deployment) -> GpuAccount:
    """The account that was approved. Raises ActionError when it is gone."""
    account = GpuAccount.objects.filter(pk=signed(deployment)["account"]["id"]).first()
    if account is None:
        raise ActionError(_("The GPU account of the plan was removed. Make a new deployment."))
    return account


def new_one(deployment: Deployment) -> GpuEndpoint:
    """The endpoint that the deployment made; of a rollback: the one that it undoes. Raises ActionError."""
    owner = deployment.undoes or deployment
    row = GpuEndpoint.objects.select_related("account", "previous__account").filter(deployment=owner).first()
    if row is None:
        raise ActionError(_("No endpoint was created yet. Run the step that creates it."))
    return row


def chosen(deployment: Deployment, which: str) -> GpuEndpoint:
    """The endpoint that a step's parameter names: "new" or "previous". Raises ActionError."""
    row = new_one(deployment)
    if which == "new":
        return row
    if row.previous is None:
        raise ActionError(_("There is no earlier endpoint to go back to."))
    return row.previous


def actor_of(context: StepContext) -> Actor:
    """Who is written down for what a step does: who started the deployment."""
    return Actor(context.deployment.started_by)


@contextmanager
def provider(context: StepContext, account: GpuAccount, seconds: float = CALL_SECONDS) -> Iterator[Provider]:
    """The provider of an account, whose calls end with the step."""
    with accounts.opened(account, seconds, context.stop) as found:
        yield found


def carefully(context: StepContext, work: Callable[[], None]) -> None:
    """Do the work; an error of the provider becomes a failed step that says why, an order to stop none at all.

    Raises ActionError.
    """
    try:
        work()
    except Stopped:
        return
    except GpuError as error:
        if context.stop():
            return
        raise ActionError(gpu_words.told(error)) from error


def secret_values(deployment: Deployment) -> dict[str, str]:
    """The secrets that the endpoint's variables need, by name. Raises NotApproved, ActionError."""
    content = deployment.plan.content
    names = set(signed(deployment)["spec"]["secret_env"].values())
    rows = {row.name: row for row in Variable.objects.filter(environment=deployment.environment_id, name__in=names)}
    for name in sorted(names):
        row = rows.get(name)
        approved = (content["secrets"].get(name), content["secret_rows"].get(name))
        if row is None or (row.version, row.pk) != approved:
            raise NotApproved(_("The secret %s was changed after the approval. Make a new deployment.") % name)
    try:
        return {name: secrets.open_sealed(bytes(row.ciphertext)) for name, row in rows.items()}
    except secrets.SecretUnreadable as error:
        raise ActionError(str(error)) from error
