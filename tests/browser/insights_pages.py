"""The insights pages, with something on each."""

from tests.browser.installation import Person


def insights_pages(admin: Person, runbook: str) -> dict[str, str]:
    """An address for each, by name; `runbook` is the path of one that was deployed with."""
    assert admin.post("/projects/1/active-users", count="1200")[0] == 302
    assert admin.post("/projects/1/active-users/source", url="http://127.0.0.1:9/users", path="$.n")[0] == 302
    assert admin.post("/projects/1/complaints", received_on="2026-01-02", text="It did not open.")[0] == 302
    where = "environment=1&period=30"
    return {
        "insights": f"/insights/?{where}",
        "insights_deployments": f"/insights/deployments?{where}&set=ended",
        "insights_outages": f"/insights/outages?{where}&set=unplanned",
        "insights_thresholds": "/insights/thresholds",
        "insights_threshold_deployments": "/insights/thresholds/deployments?project=1&rule=deploys",
        "insights_comparison": "/insights/comparison",
        "edit_comparison": "/projects/1/comparison",
        "runbook_steps": f"{runbook}steps",
        "runbook_estimates": f"{runbook}estimates",
    }
