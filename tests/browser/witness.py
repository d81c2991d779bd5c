"""A reader without a login who looks at all of a public page again and again, and notes each state in its order."""

import json
import re
import threading
from collections import defaultdict
from types import TracebackType
from typing import Any

import feedparser
import httpx
from icalendar import Calendar

WORDS = {
    "Scheduled": "scheduled",
    "In progress": "in_progress",
    "Verifying": "verifying",
    "Done": "done",
    "Cancelled": "cancelled",
}
NUMBER = re.compile(r"/(\d+)/(?:\?|$)")
CURRENT = re.compile(r'aria-labelledby="notice-(\d+)".*?aria-current="step">([^<]+)<', re.DOTALL)
UPDATE = re.compile(r"<li>.*?<p><b>([^<]+)</b> <time", re.DOTALL)  # of the timeline on a page
FED = re.compile(r"<h4>[^<]*?· ([^<·]+?)(?: ·[^<]*)?</h4>")  # and in a feed
PAST = re.compile(r'<b><a href="[^"]*/(\d+)/[^"]*">[^<]*</a></b> <small>([^<]+)</small>')


def page(answer: httpx.Response) -> dict[int, str]:
    """Of each announcement the state that the page shows; what is over stands further down."""
    found = PAST.findall(answer.text) + CURRENT.findall(answer.text.split('id="now-title"')[0])
    return {int(number): WORDS[word] for number, word in found if word in WORDS}


def atom(answer: httpx.Response) -> dict[int, str]:
    """Kind and state are an entry's categories."""
    entries = feedparser.parse(answer.content).entries
    return {_number(one.link): WORDS.get(one.tags[1].term, "") for one in entries}


def json_feed(answer: httpx.Response) -> dict[int, str]:
    """The state stands in the entry's extension."""
    return {_number(one["url"]): one["_cloud_wiki"]["state"] for one in json.loads(answer.content)["items"]}


def calendar(answer: httpx.Response) -> dict[int, tuple[int, Any]]:
    """A calendar knows no such state: its change number and the beginning."""
    events = Calendar.from_ical(answer.content).walk("VEVENT")  # type: ignore[arg-type]
    return {_number(one["url"]): (int(one["sequence"]), one.decoded("dtstart")) for one in events}


def status(answer: httpx.Response) -> dict[int, str]:
    """What is not over."""
    return {one["number"]: one["state"] for one in json.loads(answer.content)["current"]}


SOURCES = {"": page, "feed.atom": atom, "feed.json": json_feed, "calendar.ics": calendar, "status.json": status}


class Witness:
    """Looks until the end of the block. `seen[source][number]`: what followed what, each once."""

    def __init__(self, base: str) -> None:
        self.client = httpx.Client(base_url=base, params={"lang": "en"}, timeout=20)
        self.seen: dict[str, dict[int, list[Any]]] = {name: defaultdict(list) for name in SOURCES}
        self.faults: list[str] = []
        self.looks = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def look(self) -> None:
        """Once at everything."""
        for name, read in SOURCES.items():
            answer = self.client.get(name)
            if answer.status_code != 200:
                self.faults.append(f"{name or 'page'}: {answer.status_code}")
                continue
            for number, state in read(answer).items():
                known = self.seen[name][number]
                if not known or known[-1] != state:
                    known.append(state)
        self.looks += 1

    def states(self, source: str, number: int) -> list[Any]:
        """Those of one announcement."""
        return list(self.seen[source].get(number, []))

    def timelines(self, number: int) -> dict[str, list[str]]:
        """What each tells afterwards of how it went, the oldest first."""
        with httpx.Client(base_url=self.client.base_url, params={"lang": "en"}, timeout=20) as client:
            page = client.get(f"{number}/").text.partition('class="updates"')[2]
            entries = feedparser.parse(client.get("feed.atom").content).entries
            fed = next(one.summary for one in entries if _number(one.link) == number)
            items = client.get("feed.json").json()["items"]
            item = next(one["content_html"] for one in items if _number(one["url"]) == number)
        found = {"page": UPDATE.findall(page), "feed.atom": FED.findall(fed), "feed.json": FED.findall(item)}
        return {name: [WORDS[word] for word in reversed(words)] for name, words in found.items()}

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            try:
                self.look()
            except Exception as error:  # told by the test, which would not hear of it in this thread
                self.faults.append(f"{type(error).__name__}: {error}")
                return

    def __enter__(self) -> "Witness":
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(60)
        self.client.close()


def _number(link: str) -> int:
    found = NUMBER.search(link)
    assert found, link
    return int(found[1])
