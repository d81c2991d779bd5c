"""What the seed recommends once a threshold is reached (3.3), and why a count could not be fetched."""

from typing import Final, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models import ActiveUsersSource
from releases.probes.answers import explain


class NextStep(NamedTuple):
    """A line of the table of the next steps."""

    term: Promise
    strategy: Promise
    effect: Promise


NEXT_STEPS: Final = (
    NextStep(
        gettext_lazy("Short term"),
        gettext_lazy("Automate repeated work by writing deployment scripts"),
        gettext_lazy("Fewer human errors, shorter deployments"),
    ),
    NextStep(
        gettext_lazy("Middle term"),
        gettext_lazy("Build a CI/CD pipeline"),
        gettext_lazy("Automatic tests, quality gates"),
    ),
    NextStep(
        gettext_lazy("Long term"),
        gettext_lazy("Introduce a Blue-Green or rolling deployment strategy"),
        gettext_lazy("Deployments without downtime, safe rollbacks"),
    ),
)
REQUIRED: Final = (
    gettext_lazy("Separate the database"),
    gettext_lazy("Move to a private subnet"),
    gettext_lazy("Automate deployments"),
    gettext_lazy("Strengthen observation and security"),
)


def source_problem(source: ActiveUsersSource | None) -> str:
    """Why the count could not be fetched, in words with what to do; "" where it could."""
    if source is None or not source.problem:
        return ""
    code, _colon, value = source.problem.partition(":")
    own = {
        "json": _("the answer is no JSON; name an address that answers with JSON"),
        "path": _("%s is no JSON path to one place; write one such as $.data.monthly_users"),
        "nowhere": _("the answer has nothing at %s; correct the path"),
        "number": _("%s is no whole number from 0 on; correct the path"),
        "large": _("the answer is larger than %s kB; name an address that answers with less"),
    }
    if code not in own:
        return explain(source.problem)
    return own[code] % value if "%s" in own[code] else own[code]
