"""Pages of risks for the test that looks at every page: the demo's own, and the checks of its host."""

from tests.browser.installation import Person, eventually


def risk_pages(admin: Person) -> dict[str, str]:
    """The eight views, a list by a filter, one open risk (once a worker has looked), what the checks do on a host."""
    first = admin.open("/risks/?seen=risk").locator(".checks a").first
    eventually(lambda: first.count() or (admin.page.reload() and False))
    return {
        "risks": "/risks/",
        "risks_filtered": "/risks/?seen=not_known",
        "risk": str(first.get_attribute("href")),
        "host_risks": "/hosts/1/risks",
    }
