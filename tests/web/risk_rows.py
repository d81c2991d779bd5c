"""Rows of risks for tests of pages."""

from django.utils.translation import gettext_lazy as _

from releases.engine import risks
from releases.models import Risk
from releases.risks.finding import Target, line, risk, say
from releases.risks.registry import by_kind
from tests.factories import World


def a_risk(world: World) -> Risk:
    """An open one, about the world's host."""
    target = Target("host 1", "prod-1", world.project, world.environment, world.host)
    found = risk(say(_("%(place)s is %(n)s %% full."), place="/", n=97), say(_("nobody")), line("/", "97 %"))
    return risks.keep(world.project, by_kind()["disk"], target, found)
