"""What the demo's public page tells."""

import re

import pytest

from releases.demo import public
from releases.models import Announcement, AnnouncementRevision, Coverage, Outage
from tests.factories import World
from tests.web.public.rows import probe
from tests.web.public.test_page import main


@pytest.mark.parametrize("measured", [False, True])
def test_examples_are_named_so_and_measurements_come_only_when_asked(world: World, measured: bool) -> None:
    probe(world)
    probe(world, "frontend")
    Coverage.objects.all().delete()
    for _twice in range(2):
        public.load(world.project, with_measurements=measured)
    assert Outage.objects.exists() is Coverage.objects.exists() is measured
    assert Announcement.objects.count() == public.WEEKS + 2
    assert not AnnouncementRevision.objects.exclude(title_en__startswith="[Example]").exists()
    html = main(world)
    assert "[Example] Outage: a full disk" in html
    bars = re.findall(r'<rect class="(up|pl|dn|no)" x=', html)
    assert (bars.count("pl") >= 2 * (public.WEEKS - 1)) is measured
    assert ("dn" in bars) is measured


def test_the_examples_keep_their_moments(world: World) -> None:
    probe(world)
    public.load(world.project)
    incident = Announcement.objects.get(kind="incident")
    moments = list(incident.revisions.order_by("created_at").values_list("state", "created_at"))
    assert [state for state, _at in moments] == ["in_progress", "verifying", "done"]
    assert incident.created_at == moments[0][1] < moments[1][1] < moments[2][1] == incident.updated_at
