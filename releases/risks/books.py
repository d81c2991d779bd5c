"""The runbooks of an environment as the checks read them."""

from django.utils.translation import gettext_lazy as _

from releases.models import RunbookVersion
from releases.risks.finding import CannotLook, Line, Said, Target, line, say
from releases.risks.seed import Text
from releases.runbooks import loader
from releases.runbooks.messages import RunbookErrors
from releases.runbooks.model import Runbook, StepSpec


def version_of(target: Target) -> RunbookVersion:
    """The newest text of the environment's runbook. Raises CannotLook."""
    runbook = target.environment.runbook if target.environment else None
    latest = runbook.latest() if runbook else None
    if latest is None:
        raise CannotLook(say(_("The environment has no runbook.")))
    return latest


def read(version: RunbookVersion) -> Runbook:
    """The procedure. Raises CannotLook for a text that an older Cloud Wiki took."""
    try:
        return loader.load(version.text)
    except RunbookErrors as error:
        raise CannotLook(say(_("The runbook %(name)s can't be read."), name=version)) from error


def steps(target: Target) -> list[StepSpec]:
    """The steps of the environment's runbook. Raises CannotLook."""
    return list(read(version_of(target)).steps)


def title(step: StepSpec) -> Said:
    """Number and title in the reader's language."""
    return say("%(n)s. %(title)s", n=step.number, title=Text(step.title.ko, step.title.en))


def lines(found: list[StepSpec]) -> list[Line]:
    """Steps as evidence: what they do, and their titles."""
    return [line(step.action, title(step)) for step in found]
