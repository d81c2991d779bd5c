"""Addresses of the pages of announcements, with something on each."""

import re

from tests.browser.installation import Person

ADDRESS = "json://192.0.2.1/hook"  # an address that belongs to nobody


def pages(admin: Person) -> dict[str, str]:
    """A channel that is off with a message it did not get, and the demo's announcement."""
    values = {"project": "1", "name": "team", "kind": "chat", "audience": "team", "language": "en"}
    assert admin.post("/channels/new", address=ADDRESS, events="scheduled", **values)[0] == 302
    edit = str(admin.open("/channels/").locator("a[href$='/edit']").first.get_attribute("href"))
    found = re.search(r"/channels/(\d+)/", edit)
    assert found is not None
    assert admin.post(f"/channels/{found[1]}/test")[0] == 302
    notice = str(admin.open("/notices/").locator("td.lead a").first.get_attribute("href"))
    return {
        "notices": "/notices/",
        "new_notice": "/notices/new?environment=1&kind=maintenance",
        "notice": notice,
        "edit_notice": f"{notice}edit",
        "channels": "/channels/",
        "new_channel": "/channels/new",
        "edit_channel": edit,
        "deliveries": "/deliveries/",
        "wordings": "/projects/1/wordings",
        "edit_wording": "/projects/1/wordings/edit?kind=deploy&stage=scheduled",
    }
