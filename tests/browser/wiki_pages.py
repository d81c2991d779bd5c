"""Where the pages of the wiki, of search and of one's own settings are, for the test that looks at every page."""

from tests.browser.installation import Person

QUESTION = "/search/?q=%EB%A1%A4%EB%B0%B1"  # finds pages, runbooks and more


def wiki_pages(admin: Person) -> dict[str, str]:
    """Their addresses by name; the page of a procedure, which has a live table, and one that fails nowhere."""
    values = {"project": "1", "kind": "page", "title_en": "Handbook", "title_ko": "안내"}
    text = "# One\n\n- [ ] box\n\n> quote\n\n| a | b |\n| - | -: |\n| 1 | 2 |\n\n```\ncode\n```\n\n"
    text += "{{live: unheard_of}}\n\n# Two\n\n# Three\n"
    status, _html = admin.post("/wiki/new", body_en=text, body_ko=text, slug="handbook", **values)
    assert status == 302
    page = "/projects/1/wiki/handbook/"
    history = str(admin.open(page).locator("a[href$='/history']").first.get_attribute("href"))
    found = {name: history.replace("history", word) for name, word in (("edit_wiki", "edit"), ("move_wiki", "move"))}
    procedure = admin.open("/wiki/").locator(".tree a", has_text="2.3").first.get_attribute("href")
    flow = admin.open("/wiki/").locator(".tree a", has_text="4.1").first.get_attribute("href")
    return found | {
        "wiki": "/wiki/",
        "wiki_page": page,
        "wiki_procedure": str(procedure),
        "wiki_flow": str(flow),
        "wiki_history": f"{history}?shown=1",
        "new_wiki": "/wiki/new",
        "import_wiki": "/wiki/import",
        "first_deploy": "/projects/1/first-deploy",
        "search": QUESTION,
        "me": "/me/",
    }
