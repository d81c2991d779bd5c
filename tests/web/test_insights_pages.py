"""The insights pages: numbers lead to as many rows, nothing reads as nothing, many rows ask no more of the database."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from releases.models import AuditEvent, Deployment, Environment, Membership, Plan, Project, Step
from releases.views.blocks.insights import BLOCKS
from tests.factories import World, make_user
from tests.web.insights_past import make_past

PAGES = ("insights", "insights_thresholds", "insights_comparison")


@pytest.fixture
def reader(client: Client, world: World) -> Client:
    client.force_login(world.requester)
    client.cookies["django_language"] = "en"
    return client


def text_of(answer: object) -> str:
    """What the page says between its frame."""
    html = answer.content.decode().partition("<main")[2].partition("</main>")[0]  # type: ignore[attr-defined]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def links(html: str) -> list[tuple[str, int]]:
    """Every link of a page to a list of deployments or outages, with the number that it shows."""
    found = re.findall(r'href="(/insights/(?:thresholds/)?(?:deployments|outages)\?[^"]*)"[^>]*>([^<]*)<', html)
    return [(path.replace("&amp;", "&"), int(re.sub(r"\D.*", "", words.strip()))) for path, words in found]


def listed(client: Client, path: str) -> int:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return int(answer.context["page_obj"].paginator.count)


@pytest.mark.parametrize("kind", ["software", "gpu"])
def test_each_number_opens_as_many_rows(reader: Client, world: World, kind: str) -> None:
    past = make_past(world, 7, now=datetime.now(UTC))
    for environment in past.environments:
        for period in ("30", "90", "365"):
            path = f"{reverse('releases:insights')}?environment={environment.pk}&period={period}&kind={kind}"
            found = links(reader.get(path).content.decode())
            assert len(found) > 10
            for link, number in found:
                assert listed(reader, link) == number, link


def test_the_numbers_of_thresholds_open_as_many_rows(reader: Client, world: World) -> None:
    make_past(world, 8, now=datetime.now(UTC))
    found = links(reader.get(reverse("releases:insights_thresholds")).content.decode())
    assert len(found) == 2
    assert [listed(reader, link) for link, _number in found] == [number for _link, number in found]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_yet_reads_as_nothing(reader: Client, world: World, name: str) -> None:
    answer = reader.get(reverse(f"releases:{name}"))
    assert answer.status_code == 200
    words = text_of(answer)
    assert "0.0 %" not in words
    assert "nan" not in words.lower()
    assert "None" not in words
    if name == "insights":
        assert "Nothing was deployed here in this period" in words
        assert (words.count("Nothing to draw."), words.count("Nothing above zero.")) == (2, 1)
    if name == "insights_comparison":
        assert "30:00" in words  # the seed's manual procedure
        assert "nothing yet" in words


@pytest.mark.parametrize("name", PAGES)
def test_without_a_project_a_page_says_so(client: Client, world: World, name: str) -> None:
    client.force_login(world.outsider)
    client.cookies["django_language"] = "en"
    words = text_of(client.get(reverse(f"releases:{name}")))
    assert "No environment yet" in words or "No project yet" in words


def test_one_deployment_reads_as_one(reader: Client, world: World) -> None:
    row = world.draft()
    now = datetime.now(UTC)
    Deployment.objects.filter(pk=row.pk).update(
        status="succeeded", started_at=now, finished_at=now, started_by=world.requester, downtime_measured=0.0
    )
    words = text_of(reader.get(reverse("releases:insights")))
    assert "1 deployment " in words
    assert "Lead time for changes not known" in words
    assert "no outage" in words


@pytest.mark.parametrize("name", [*PAGES, "insights_deployments", "insights_outages", "runbook_steps"])
def test_many_rows_ask_no_more_of_the_database(reader: Client, world: World, name: str) -> None:
    def asked() -> int:
        path = reverse(f"releases:{name}", args=[world.runbook.pk] if name == "runbook_steps" else [])
        mark = {"insights_deployments": "?period=365&set=ended", "insights_outages": "?period=365&set=unplanned"}
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert reader.get(path + mark.get(name, "?period=365")).status_code == 200
        return len(found)

    make_past(world, 1, 20, now=datetime.now(UTC))
    asked()  # what is asked once a process
    few = asked()
    for seed in (2, 3):
        _more(world, seed)
    assert asked() <= few


def _more(world: World, seed: int) -> None:
    environment = world.environment
    plan = Plan.objects.filter(environment=environment).first()
    assert plan is not None
    now = datetime.now(UTC)
    made = Deployment.objects.bulk_create(
        Deployment(
            environment=environment, release=plan.release, plan=plan, status="succeeded", started_at=now,
            finished_at=now, idempotency_key=f"more-{seed}-{number}", requested_by=world.requester,
            started_by=make_user(f"more-{seed}-{number}") if number < 5 else None,
        )
        for number in range(120)
    )  # fmt: skip
    Step.objects.bulk_create(
        Step(deployment=row, position=0, number="1", key="one", title_ko="하나", title_en="One", role="devops",
             phase="prepare", action="shell", status="succeeded", estimate=60)
        for row in made
    )  # fmt: skip


def test_a_wrong_period_says_which_field(reader: Client) -> None:
    path = reverse("releases:insights")
    words = text_of(reader.get(f"{path}?period=own&since=2026-02-01&until=2026-01-01"))
    assert "Choose a day that is not before the first one." in words
    assert "Give both days" in text_of(reader.get(f"{path}?period=own&since=2026-02-01"))
    assert reader.get(f"{path}?environment=999999999").status_code == 200
    assert reader.get(f"{path}?since=2026-01-01&until=9999-12-31").status_code == 200
    assert reader.get(f"{path}?since=2026-01-01&until=2026-01-01").status_code == 200


def test_other_projects_do_not_show(client: Client, world: World) -> None:
    make_past(world, 3, 50, now=datetime.now(UTC))
    stranger = make_user("stranger")
    own = Project.objects.create(slug="own", name="Own project")
    Environment.objects.create(project=own, key="production", name="live", is_production=True)
    Membership.objects.create(project=own, user=stranger)
    client.force_login(stranger)
    mine = client.get(f"{reverse('releases:insights')}?environment={world.environment.pk}")
    assert "Moyeobab" not in mine.content.decode()
    for name, query in (
        ("insights_deployments", f"environment={world.environment.pk}&set=started"),
        ("insights_outages", f"environment={world.environment.pk}&set=unplanned"),
        ("insights_threshold_deployments", f"project={world.project.pk}&rule=deploys"),
    ):
        assert client.get(f"{reverse(f'releases:{name}')}?{query}").status_code == 404
    assert (
        "Moyeobab"
        not in client.get(f"{reverse('releases:insights_thresholds')}?project={world.project.pk}").content.decode()
    )


@pytest.mark.parametrize("query", ["", "set=nothing", "environment=x&set=ended"])
def test_a_list_of_nothing_known_is_not_there(reader: Client, query: str) -> None:
    assert reader.get(f"{reverse('releases:insights_deployments')}?{query}").status_code == 404


@pytest.mark.parametrize("name", sorted(BLOCKS))
@pytest.mark.parametrize("count", [0, 60])
def test_blocks_render(reader: Client, world: World, name: str, count: int) -> None:
    from django.template.loader import render_to_string
    from django.utils.translation import override

    if count:
        make_past(world, 5, count, now=datetime.now(UTC))
    block = BLOCKS[name]
    with override("en"):
        html = render_to_string(block.template, block.context(world.project))
        assert block.title()
    assert "<table" in html
    for link, number in links(html):
        assert listed(reader, link) == number


def test_a_manager_corrects_the_figures_of_the_comparison(reader: Client, world: World) -> None:
    path = reverse("releases:edit_comparison", args=[world.project.pk])
    form = reader.get(path).context["form"]
    values = {name: field.initial for name, field in form.fields.items()}
    assert values["deploy_manual"] == "30"
    values |= {"deploy_manual": "42.5", "dependence_manual_en": "three people"}
    assert reader.post(path, values).status_code == 302
    words = text_of(reader.get(reverse("releases:insights_comparison")))
    assert "42:30" in words
    assert "three people" in words
    event = AuditEvent.objects.get(action="comparison.change")
    assert event.detail["changed"]["deploy_manual"] == [None, 2550]
    refused = reader.post(path, values | {"deploy_goal": "-1"})
    assert refused.status_code == 400
    assert "Deploy time" in text_of(refused)


def test_the_goal_is_judged_by_what_was_measured(reader: Client, world: World) -> None:
    past = make_past(world, 11, 300, now=datetime.now(UTC))
    rows = Deployment.objects.filter(environment=past.environments[0], kind="deploy", status="succeeded")
    lines = {
        line.set: line for line in reader.get(reverse("releases:insights_comparison")).context["lines"] if line.set
    }
    assert lines["succeeded"].n <= rows.count()
    assert lines["succeeded"].met is (_median_minutes(lines["succeeded"].ours) <= 10)


def _median_minutes(words: str) -> float:
    parts = [float(part) for part in words.split(":")]
    return parts[0] + parts[1] / 60 if len(parts) == 2 else 60.0


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/insights/thresholds?project=²", 200),
        ("/insights/comparison?project=²", 200),
        ("/insights/deployments?set=started&who=²", 200),
        ("/insights/thresholds/deployments?rule=deploys&project=²", 404),
    ],
)
def test_digits_that_are_no_number_break_no_page(client: Client, world: World, path: str, status: int) -> None:
    """`"²".isdigit()` is true, and `int("²")` an error."""
    client.force_login(world.requester)
    assert client.get(path).status_code == status
