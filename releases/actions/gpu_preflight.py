"""What is looked at before an endpoint may cost anything: key, image, model, cards, price, room, and the worst case.

The steps of the written procedure are its parts; a check of the checklist looks at all of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.utils.translation import gettext as _

from releases.actions import gpu_words
from releases.endpoints import costs, specs, strangers
from releases.gpu import policy
from releases.gpu.nouns import EndpointSpec, Price
from releases.gpu.provider import Provider
from releases.models import Environment, GpuAccount

_FIELDS: Final = {
    "worker": {"image", "disk_gb"},
    "model": set(),
    "settings": {"execution_timeout", "env", "min_cuda"},
    "cards": {"pools", "excluded_types", "gpu_count"},
    "workers": {"min_workers", "max_workers", "idle_timeout", "scaling", "flashboot", ""},
}
Line = tuple[str, str]


@dataclass
class Found:
    """What one part came to: lines for people, and sentences about what is wrong, each with its mend."""

    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Preflight:
    """All parts of one plan's `gpu` content; asks the provider once for what several of them need."""

    def __init__(
        self, content: Mapping[str, Any], environment: Environment, account: GpuAccount, provider: Provider
    ) -> None:
        self._content, self._environment = content, environment
        self._account_row, self._provider = account, provider
        self._plain: Mapping[str, Any] = content["spec"]
        self.spec: EndpointSpec = specs.without_secrets(self._plain, content["name"])
        self._policy = specs.policy_of(content["policy"])
        self._price: Price | None = None

    def look(self, about: Iterable[str]) -> Found:
        """Look at the parts. Raises GpuError where the provider can't be asked."""
        parts: dict[str, Callable[[], Found]] = {
            "account": self._account,
            "worker": self._worker,
            "model": self._model,
            "settings": self._settings,
            "cards": self._cards,
            "workers": self._workers,
        }
        whole = Found()
        for name in about:
            found = parts[name]()
            whole.lines += found.lines
            whole.problems += found.problems + self._refused(name)
        return whole

    @property
    def _is_made(self) -> bool:
        """The provider makes endpoints; an own server is only asked."""
        return self._provider.capabilities.create

    def _refused(self, name: str) -> list[str]:
        """What the environment's rules say about the fields of one part."""
        if not self._is_made or name not in _FIELDS:
            return []
        price = self._asked_price() if name == "workers" else None
        problems = policy.check(self.spec, self._policy, price)
        return [gpu_words.problem(each) for each in problems if each.field in _FIELDS[name]]

    def _asked_price(self) -> Price:
        if self._price is None:
            self._price = self._provider.price(self.spec)
        return self._price

    def _account(self) -> Found:
        everything = self._provider.list_all()
        counts = {"all": len(everything), "others": len(strangers.of(self._account_row, everything))}
        lines = [
            (_("Account"), self._content["account"]["name"]),
            (_("Endpoints there"), _("%(all)s, of which %(others)s are not ours") % counts),
        ]
        return Found(lines)

    def _worker(self) -> Found:
        return Found([(_("Image"), self.spec.image or "-"), (_("Disk"), f"{self.spec.disk_gb} GB")])

    def _model(self) -> Found:
        plain = self._plain
        found = Found([(_("Model"), plain["model"]), (_("Asked for as"), plain["served_name"])])
        if revision := plain["env"].get("MODEL_REVISION"):
            found.lines.append((_("Revision"), revision))
        before = self._environment.gpu_endpoints.filter(state="active").first()
        name = before.spec.get("served_name") if before else ""
        if name and name != plain["served_name"]:
            sentence = _(
                "The active endpoint is asked for as %(before)s, this one as %(now)s. Let the switch change the "
                "model's name, too, or give the release the same one: else the backend asks for what is not there."
            )
            found.lines.append((_("Note"), sentence % {"before": name, "now": plain["served_name"]}))
        return found

    def _settings(self) -> Found:
        env = self._plain["env"]
        shown = [(name, specs.shown(name, env[name])) for name in sorted(env)]
        hidden = [(name, specs.HIDDEN) for name in sorted(self._plain["secret_env"])]
        return Found([*shown, *hidden])

    def _cards(self) -> Found:
        if not self._provider.capabilities.billing:
            return Found([(_("Cards"), _("those of the server itself"))])
        price = self._asked_price()
        lines = [
            (
                card.id,
                _("%(price)s USD an hour, %(there)s") % {"price": card.per_hour, "there": card.availability or "-"},
            )
            for card in price.cards
        ]
        problems = []
        if price.cards and all(card.availability == "NONE" for card in price.cards):
            problems.append(_("None of these cards is free now. Allow another pool, exclude fewer, or try later."))
        return Found(lines, problems)

    def _workers(self) -> Found:
        if not self._provider.capabilities.scaling:
            return Found([(_("Workers"), _("the server itself"))])
        worst = policy.worst_case(self.spec, self._asked_price())
        limits = self._provider.limits()
        room = "?" if limits.quota is None else str(limits.quota)
        lines = [
            (_("Workers"), f"{self.spec.min_workers}-{self.spec.max_workers}"),
            (_("Allotted in the account"), f"{limits.workers_allotted} / {room}"),
            (_("At worst"), _("%(hour).2f USD an hour, %(day).2f USD a day") % _worst(worst)),
        ]
        problems = [gpu_words.problem(each) for each in policy.check_quota(self.spec, limits)]
        return Found(lines, problems + self._spent(worst.per_hour))

    def _spent(self, an_hour: Decimal) -> list[str]:
        """Whether the budgets still have room for an hour at the worst."""
        found = []
        for period, spent, budget in costs.budgets(self._environment, self._content["policy"]):
            if budget is not None and spent + an_hour > budget:
                sentence = _(
                    "%(spent).2f USD of the budget of %(budget).2f USD are spent (%(period)s); an hour of this "
                    "endpoint would go over it. Have the budget raised, or wait."
                )
                found.append(sentence % {"spent": spent, "budget": budget, "period": period})
        return found


def _worst(worst: policy.WorstCase) -> dict[str, Decimal]:
    return {"hour": worst.per_hour, "day": worst.per_day}
