"""What pages show of risks."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When

from releases.models import Project, Risk, RiskState, Seen
from releases.models.choices import in_reader_language
from releases.risks.finding import Check, Does
from releases.risks.registry import all_checks, by_kind
from releases.risks.seed import VIEWS, View
from releases.views.risk_words import ORDER, PLACES, SHAPES

FEW = 8  # rows of one check shown among the eight views; the worst come first


def worst_first(rows: QuerySet[Risk]) -> QuerySet[Risk]:
    """Risks, warnings, what is not known, then the rest; what was accepted after what was not."""
    places = [When(seen=seen, then=Value(place)) for place, seen in enumerate(ORDER)]
    accepted = Case(When(state=RiskState.ACCEPTED, then=Value(1)), default=Value(0), output_field=IntegerField())
    return rows.order_by(Case(*places, output_field=IntegerField()), accepted, "position", "name")


def shown(row: Risk) -> dict[str, Any]:
    """One row of a list."""
    check = by_kind().get(row.kind)
    return {
        "risk": row,
        "title": check.title if check else row.kind,
        "shape": SHAPES[Seen(row.seen)],
        "said": row.sentence(),
        "mend": mend_of(row) if row.seen in {Seen.WARNING, Seen.RISK} else "",
        "is_accepted": row.state == RiskState.ACCEPTED,
        "is_open": row.state == RiskState.OPEN,
    }


def tally(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many there are of each, worst first; from rows of {seen, n}."""
    found: Counter[str] = Counter()
    for row in rows:
        found[row["seen"]] += row["n"]
    return [{"word": seen.label, "shape": SHAPES[seen], "seen": seen.value, "n": found[seen]} for seen in ORDER]


def counted(project: Project) -> list[dict[str, Any]]:
    """By view and by what was seen, in one query."""
    rows = Risk.objects.filter(project=project, is_gone=False).order_by()
    return [dict(row) for row in rows.values("view", "seen").annotate(n=Count("pk"))]


def counts_by_view(project: Project) -> list[dict[str, Any]]:
    """The eight views with their counts and the worst of each."""
    rows = counted(project)
    return [_summary(view, [row for row in rows if row["view"] == view.key]) for view in VIEWS]


def _summary(view: View, rows: list[dict[str, Any]]) -> dict[str, Any]:
    counts = [one for one in tally(rows) if one["n"]]
    return {"view": view, "counts": counts, "worst": counts[0] if counts else None}


def eight_views(project: Project, was_looked: bool) -> list[dict[str, Any]]:
    """Each view with the seed's rows, and below each the checks that are about it."""
    rows: dict[str, list[Risk]] = defaultdict(list)
    found = Risk.objects.filter(project=project, is_gone=False).select_related("environment", "host", "owner")
    for row in worst_first(found.defer("evidence")):
        rows[row.kind].append(row)
    summaries = counts_by_view(project)
    return [
        {**summary, "rows": [_seed_row(row, rows, was_looked) for row in summary["view"].rows]} for summary in summaries
    ]


def _seed_row(row: Any, risks: dict[str, list[Risk]], was_looked: bool) -> dict[str, Any]:
    own = [check for check in all_checks() if check.rows[0] == row.key]
    return {
        "row": row,
        "checks": [
            {
                "check": check,
                "entries": [shown(one) for one in risks[check.kind][:FEW]],
                "more": max(0, len(risks[check.kind]) - FEW),
                "nothing": "skipped" if was_looked else "pending",
            }
            for check in own
        ],
        "also": [check for check in all_checks() if row.key in check.rows[1:]],
    }


def what_it_does(check: Check, does: list[Does]) -> dict[str, Any]:
    """A check with what it does, word for word."""
    lines = [{"place": PLACES[one.place], "text": str(one.text), "is_command": one.is_command} for one in does]
    return {"check": check, "does": lines}


def evidence_of(row: Risk) -> list[dict[str, str]]:
    """The lines of evidence in the reader's language."""
    return [{name: _read(entry.get(name, {})) for name in ("label", "value")} for entry in row.evidence]


def mend_of(row: Risk) -> str:
    """What to do about it, in the reader's language."""
    return _read(row.mend)


def _read(kept: dict[str, str]) -> str:
    return in_reader_language(kept.get("ko", ""), kept.get("en", ""))


def for_dashboard(projects: Collection[int]) -> dict[str, Any]:
    """Open risks and warnings of these projects and the worst of them; two queries, however many there are."""
    rows = Risk.objects.filter(project__in=projects, is_gone=False)
    counts = tally(dict(row) for row in rows.order_by().values("seen").annotate(n=Count("pk")))
    worst = worst_first(rows.filter(state=RiskState.OPEN)).select_related("project").defer("evidence")[:3]
    return {"counts": counts, "worst": [shown(row) for row in worst], "any": any(one["n"] for one in counts)}
