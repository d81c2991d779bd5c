"""Pages of risks for the test that looks at every page: the demo's own, and the checks of its host."""

from tests.browser.installation import Person


def risk_pages(admin: Person) -> dict[str, str]:
    """The eight views, a list by a filter, one risk, what the checks do on a host."""
    found = str(admin.open("/risks/?seen=risk").locator(".checks a").first.get_attribute("href"))
    return {
        "risks": "/risks/",
        "risks_filtered": "/risks/?seen=not_known",
        "risk": found,
        "host_risks": "/hosts/1/risks",
    }
