"""The web process taken away: the public pages answer from their files, everything else says so in two languages."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import feedparser
import httpx
import pytest
from icalendar import Calendar

from tests.containers.engine import podman
from tests.containers.stack import Stack

NAMES = ("", "NUMBER/", "embed/", "banner/", "badge.svg", "feed.atom", "feed.json", "calendar.ics", "status.json")
LANGUAGES = ("ko", "en")
HEADERS = (
    *("content-type", "content-language", "content-security-policy", "x-frame-options", "x-content-type-options"),
    *("referrer-policy", "cross-origin-opener-policy", "strict-transport-security", "access-control-allow-origin"),
    *("vary", "server", "set-cookie"),
)
KEPT = {"ko": "지금 대시보드 자체가 응답하지 않습니다", "en": "the dashboard itself does not answer right now"}
AS_OF = {"ko": "기준", "en": "as of"}
AWAY = ("Cloud Wiki가 지금 응답하지 않습니다", "Cloud Wiki does not answer right now")
QUICK = 4.0  # seconds; an address without a kept file is tried for longer
# Accept-Language, query, and the language that is right.
ASKED = (
    ("", "", "ko"), ("*", "", "ko"), ("fr-FR, fr;q=0.9", "", "en"), ("fr, *;q=0.5", "", "ko"),
    ("en-US,en;q=0.9,ko;q=0.8", "", "en"), ("ko-KR,ko;q=0.9,en;q=0.8", "", "ko"), ("KO", "", "ko"), ("EN-gb", "", "en"),
    ("ko;q=0, en;q=0.5", "", "en"), ("en", "?lang=ko", "ko"), ("ko", "?lang=en", "en"), ("en", "?lang=fr", "en"),
)  # fmt: skip


class Kept:
    """The public pages as they were, and who asks for them while the web process is away."""

    def __init__(self, site: Stack) -> None:
        self.site = site
        self.client = httpx.Client(base_url=site.address, verify=site.authority(), trust_env=False, timeout=30)
        page = self.client.get("/announcements/").headers["location"]  # the only project
        self.project = page.strip("/").rpartition("/")[2]
        feed = self.client.get(f"/announcements/{self.project}/feed.json").json()
        self.number = feed["items"][0]["url"].rstrip("/").rpartition("/")[2]
        site.until(self.is_written, "the ready-made files of the demo")
        self.live = {(name, one): self.get(name, one) for name in NAMES for one in LANGUAGES}

    def is_written(self) -> bool:
        """The list, which is written last, has the project, and the newest announcement has a page."""
        listed = self.site.execute("caddy", "cat", "/srv/public/en.index.html").stdout
        one = self.site.execute("caddy", "cat", f"/srv/public/{self.project}/en.{self.number}.html").stdout
        return self.project in listed and "</html>" in one

    def is_live(self) -> bool:
        """The web process itself answers, in every language."""
        return not any(KEPT[language] in self.get("", language).text for language in LANGUAGES)

    def get(self, name: str, language: str, query: str = "", **headers: str) -> httpx.Response:
        path = f"/announcements/{self.project}/{name.replace('NUMBER', self.number)}{query}"
        return self.client.get(path, headers={"Accept-Language": language, **headers})


@pytest.fixture(scope="module")
def kept(site: Stack) -> Iterator[Kept]:
    """The web process is away until the last test of this file has ended."""
    found = Kept(site)
    podman("stop", "--time", "20", site.container("web"))
    yield found
    podman("start", site.container("web"))
    site.until(site.is_ready, "the web process to be back", 120)
    # The proxy gives it three seconds without a failure before it asks it again.
    site.until(found.is_live, "the pages of the web process itself", 30)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_public_address_answers_as_the_application_does(kept: Kept, name: str, language: str) -> None:
    live, answer = kept.live[name, language], kept.get(name, language)
    assert (live.status_code, answer.status_code) == (200, 200)
    assert {key: answer.headers.get(key) for key in HEADERS} == {key: live.headers.get(key) for key in HEADERS}
    caching = [set(one.headers["cache-control"].split(", ")) for one in (answer, live)]
    assert caching[0] == caching[1]
    assert answer.elapsed.total_seconds() < QUICK
    assert kept.client.head(str(answer.url)).headers["content-type"] == live.headers["content-type"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_it_answers_is_whole_and_says_of_when_it_is(kept: Kept, language: str) -> None:
    for name in ("", "NUMBER/"):
        page = kept.get(name, language).text
        assert KEPT[language] in page and f'<html lang="{language}">' in page and page.rstrip().endswith("</html>")
        assert KEPT[language] not in kept.live[name, language].text
    assert AS_OF[language] in kept.get("badge.svg", language).text
    status, before = kept.get("status.json", language).json(), kept.live["status.json", language].json()
    assert (status["late"], before["late"]) == (True, False)
    assert [one["key"] for one in status["services"]] == [one["key"] for one in before["services"]] != []
    for name in ("feed.atom", "feed.json", "calendar.ics"):
        assert identifiers(kept.get(name, language)) == identifiers(kept.live[name, language]) != []


def identifiers(answer: httpx.Response) -> list[str]:
    """The entries of a feed or a calendar by their identifiers."""
    if "json" in answer.headers["content-type"]:
        return [item["id"] for item in answer.json()["items"]]
    if "calendar" in answer.headers["content-type"]:
        return [str(event["uid"]) for event in Calendar.from_ical(answer.text).walk("VEVENT")]
    return [entry.id for entry in feedparser.parse(answer.content).entries]


@pytest.mark.parametrize(("accepted", "query", "language"), ASKED)
def test_the_language_is_the_one_that_was_asked_for(kept: Kept, accepted: str, query: str, language: str) -> None:
    for name, words in (("", KEPT), ("badge.svg", AS_OF)):
        answer = kept.get(name, accepted, query)
        assert answer.headers["content-language"] == language
        assert words[language] in answer.text


def test_the_page_has_its_style_its_pictures_and_its_fonts(kept: Kept) -> None:
    page = kept.get("", "en")
    links = {link for link in re.findall(r'(?:href|src)="([^"#]+)', page.text) if link.startswith("/static/")}
    types = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
    sheets = {link for link in links if link.endswith(".css")}
    for sheet in sheets:
        found = re.findall(r"url\([\"']?([^\"')]+)", kept.client.get(sheet).text)
        links |= {urljoin(sheet, link) for link in found if not link.startswith("data:")}
    assert {link[link.rindex(".") :] for link in links} == set(types)
    for link in sorted(links):
        answer = kept.client.get(link)
        assert (answer.status_code, len(answer.content) > 0) == (200, True), link
        assert answer.headers["content-type"].split(";")[0] == types[link[link.rindex(".") :]]
        assert "immutable" in answer.headers["cache-control"]


def test_who_has_an_answer_already_or_wants_a_part_gets_the_whole(kept: Kept) -> None:
    whole = kept.get("", "en")
    for headers in ({"If-None-Match": whole.headers["etag"]}, {"Range": "bytes=0-9"}):
        answer = kept.get("", "en", **headers)
        assert (answer.status_code, answer.text) == (200, whole.text)


def test_the_list_of_projects_is_there(kept: Kept) -> None:
    answer = kept.client.get("/announcements/", headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    assert f'href="/announcements/{kept.project}/"' in answer.text


def test_every_other_address_says_in_both_languages_that_it_is_away(kept: Kept) -> None:
    paths = ["/", "/login/", "/readyz", "/api/projects", "/announcements/nothing-here/", "/announcements/999999999/"]
    paths += [f"/announcements/{kept.project}/{name}" for name in ("state.json", ".rendered", "999999999/", "ko.html")]
    asked = [("GET", path) for path in paths]
    asked += [("POST", f"/announcements/{kept.project}/"), ("POST", "/login/")]
    for method, path in asked:
        answer: Any = kept.client.request(method, path)
        assert answer.status_code == 503, path
        assert all(words in answer.text for words in AWAY), path
        assert not re.search(r"(src|href|url|@import|<script)", answer.text)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert (answer.headers["retry-after"], answer.headers["cache-control"]) == ("10", "no-store")
        assert answer.headers["x-frame-options"] == "DENY" and "server" not in answer.headers


def test_the_proxy_reads_public_files_and_nothing_else(kept: Kept) -> None:
    site = kept.site
    done = site.execute("caddy", "sh", "-c", "echo x > /srv/public/written", user="0")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
    listed = set(site.execute("caddy", "ls", "-A", "/srv/public").stdout.split())
    assert listed == {kept.project, ".files", "ko.index.html", "en.index.html"}


@pytest.fixture
def refusing(kept: Kept) -> Iterator[str]:
    """Something in the place of the web process that answers 503 to everything; what it says."""
    site, words = kept.site, "not now"
    name = f"{site.name}_refusing"
    network = ("--network", f"{site.name}_edge:alias=web", "--label", f"io.podman.compose.project={site.name}")
    command = ("caddy", "respond", "--listen", ":8000", "--status", "503", "--body", words)
    podman("run", "--detach", "--name", name, *network, site.images[1], *command)
    try:
        site.until(lambda: kept.client.get("/readyz").text == words, "the stand-in to be asked")
        yield words
    finally:
        podman("rm", "--force", "--time", "2", name)


def test_a_web_process_that_refuses_is_one_that_is_away(kept: Kept, refusing: str) -> None:
    for name in NAMES:
        answer = kept.get(name, "en")
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            kept.live[name, "en"].headers["content-type"],
        )
        assert refusing not in answer.text
    elsewhere = kept.client.get("/readyz")  # what it says of itself is passed on
    assert (elsewhere.status_code, elsewhere.text) == (503, refusing)
    assert AWAY[0] in kept.client.get("/announcements/nothing-here/").text
