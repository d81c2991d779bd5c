"""The GPU part of a plan: which account, what the endpoint shall be, and what the environment allows it to cost."""

from typing import Any

from django.utils.translation import gettext as _

from releases.actions import gpu_words
from releases.endpoints import specs
from releases.engine.errors import EngineError
from releases.gpu import policy
from releases.models import Deployment, Environment, GpuAccount, GpuEndpoint, GpuSettings, GpuSpec, Release, Runbook


def spec_of(release: Release) -> GpuSpec | None:
    """The GPU part of a release; None for one of software."""
    found: GpuSpec | None = getattr(release, "gpu", None)
    return found


def settings_of(environment: Environment) -> GpuSettings:
    """The environment's rules for endpoints. Raises EngineError where there are none yet."""
    found = GpuSettings.objects.select_related("account", "environment__project").filter(environment=environment)
    rules = found.first()
    if rules is None or rules.account is None:
        raise EngineError(_("%s has no GPU account yet; choose one in its GPU settings.") % environment)
    return rules


def runbook_of(environment: Environment, spec: GpuSpec | None) -> Runbook:
    """The runbook for a release's method; without a spec the one for a rollback. Raises EngineError."""
    rules = settings_of(environment)
    if spec is None:
        found, which = rules.rollback_runbook, _("rolling an endpoint back")
    elif spec.method == GpuSpec.Method.HANDLER:
        found, which = rules.handler_runbook, _("a custom handler")
    else:
        found, which = rules.worker_runbook, _("a vLLM worker")
    if found is None:
        sentence = _("%(environment)s has no runbook for %(which)s yet; choose one in its GPU settings.")
        raise EngineError(sentence % {"environment": environment, "which": which})
    return found


def content_of(release: Release, environment: Environment) -> dict[str, Any]:
    """What the plan of a GPU deploy signs. Raises EngineError for what the environment's rules refuse."""
    spec, rules = spec_of(release), settings_of(environment)
    if spec is None:
        raise EngineError(_("%s has no GPU part; add it on the release's page.") % release)
    plain = specs.written(spec)
    _require_fitting(spec, rules)
    _require_allowed(plain, rules)
    return {
        "account": _account(rules.account),
        "name": rules.prefix,
        "spec": plain,
        "policy": specs.policy_written(rules),
        "before": _named(environment.gpu_endpoints.filter(state="active").first()),
    }


def content_back(undoes: Deployment) -> dict[str, Any]:
    """What the plan of a rollback signs: which endpoint is undone, and which one gets the traffic again."""
    row = GpuEndpoint.objects.select_related("account", "previous__account").get(deployment=undoes)
    previous = row.previous
    if previous is None:
        raise EngineError(_("There is no earlier endpoint to go back to."))
    rules = settings_of(undoes.environment)
    return {
        "account": _account(previous.account),
        "name": previous.name,
        "spec": previous.spec,
        "policy": specs.policy_written(rules),
        "undoes": _named(row),
        "previous": _named(previous),
    }


def _account(account: GpuAccount | None) -> dict[str, Any]:
    assert account is not None  # noqa: S101 - settings_of asked
    names = ("name", "provider", "control_url", "data_url", "model")
    return {"id": account.pk, **{name: getattr(account, name) for name in names}}


def _named(row: GpuEndpoint | None) -> dict[str, Any] | None:
    return None if row is None else {"id": row.pk, "ref": row.ref, "name": row.name}


def _require_fitting(spec: GpuSpec, rules: GpuSettings) -> None:
    """An own server is an account of its own sort."""
    own = spec.method == GpuSpec.Method.SELF_HOSTED
    if rules.account is not None and own != (rules.account.provider == GpuAccount.Provider.SELF_HOSTED):
        sentence = _("The release is for “%(method)s”, and the account %(account)s is of another sort. Choose another.")
        raise EngineError(sentence % {"method": spec.get_method_display(), "account": rules.account})


def _require_allowed(plain: dict[str, Any], rules: GpuSettings) -> None:
    if plain["method"] == GpuSpec.Method.SELF_HOSTED:
        return
    limits = specs.policy_of(specs.policy_written(rules))
    problems = policy.check(specs.without_secrets(plain, rules.prefix), limits)
    if problems:
        raise EngineError(" ".join(gpu_words.problem(each) for each in problems))
