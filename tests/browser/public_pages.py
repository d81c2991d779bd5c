"""The public pages of the demo."""

from tests.browser.installation import Person

PAGE = "/announcements/demo/"
# A picture, feeds, a calendar, JSON.
NOT_PAGES = {"public_badge", "public_atom", "public_json_feed", "public_calendar", "public_status"}


def paths(person: Person) -> dict[str, str]:
    """An address for each public page, by name: the incident of the demo's past has a timeline."""
    page = person.open(PAGE)
    link = page.get_by_role("link", name="Outage: a full disk").or_(page.get_by_role("link", name="예고 없는 장애"))
    return {
        "project_announcements": PAGE,
        "public_announcement": str(link.first.get_attribute("href")),
        "public_embed": f"{PAGE}embed/",
        "public_banner": f"{PAGE}banner/",
    }
