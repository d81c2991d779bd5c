"""Page times with 10,000 deployments in the history.

python -m bench.pages [REQUESTS] [-v]
"""

from __future__ import annotations

import http.client
import os
import statistics
import sys
import time
from dataclasses import dataclass

from bench.past import DEPLOYMENTS, Past, make_past
from bench.queries import Asked, counted
from bench.ssh import expect
from bench.stage import Web, cookie_of, stage

TIMES = 30
WARM_UP = 5
GOAL_P95_MS = 300.0


@dataclass(frozen=True)
class Page:
    """Milliseconds of a page through the web server, its size, and what it asks of the database."""

    name: str
    p50_ms: float
    p95_ms: float
    server_cpu_ms: float
    kilobytes: float
    statements: int
    asked: Asked


def addresses(past: Past) -> dict[str, str]:
    """The pages that are measured."""
    return {
        "dashboard": "/",
        "history": "/history/",
        "history, last page": f"/history/?page={DEPLOYMENTS // 50}",
        "history, by outcome": "/history/?status=failed",
        "deployments": "/deployments/",
        "a deployment": f"/deployments/{past.newest}/",
        **insights(past),
        "releases": "/releases/",
        "a release": f"/releases/{past.release}/",
        "audit": "/audit/",
        "audit, by action": "/audit/?action=step.failed",
        "audit, by target": "/audit/?target=s3",
        "search": "/search/?q=connection",
        "search, Korean": "/search/?q=%EC%97%B0%EA%B2%B0",
        "search, one kind": "/search/?q=refused&kind=steps",
        "search, nothing": "/search/?q=unheard-of",
        "a wiki page": past.wiki,
        "costs": past.wiki.split("/wiki/")[0] + "/costs",
        "capacity": "/capacity/",
        "risks": "/risks/",
        "announcements": "/notices/",
        "public page": f"/announcements/{past.slug}/",
    }


def insights(past: Past) -> dict[str, str]:
    """Over the last year, and over all that there is."""
    ever = f"environment={past.environment}&period=own&since=2018-01-01&until=2030-01-01"
    return {
        "insights, a year": "/insights/?period=365",
        "insights, ever": f"/insights/?{ever}",
        "changes that failed": f"/insights/deployments?{ever}&set=changes_failed",
        "thresholds": "/insights/thresholds",
        "comparison": "/insights/comparison",
        "steps of a runbook": f"/runbooks/{past.runbook}/steps",
    }


def measure(times: int = TIMES) -> list[Page]:
    """Every page, on rows made for this run."""
    past = make_past()
    cookie = cookie_of(past.user)
    with Web() as web:
        return [_page(web, name, address, cookie, times) for name, address in addresses(past).items()]


def _page(web: Web, name: str, address: str, cookie: str, times: int) -> Page:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    taken, used, size = [], 0.0, 0
    for turn in range(WARM_UP + times):
        if turn == WARM_UP:
            used = web.cpu_seconds()
        began = time.perf_counter()
        connection.request("GET", address, headers={"Cookie": cookie, "Host": "localhost", "Accept": "text/html"})
        answer = connection.getresponse()
        size = len(answer.read())
        taken.append((time.perf_counter() - began) * 1000)
        expect(answer.status == 200, f"{address} with status 200, not {answer.status}")
    cpu = (web.cpu_seconds() - used) * 1000 / times
    connection.close()
    ranked, asked = statistics.quantiles(taken[WARM_UP:], n=100), _asked(address, cookie)
    return Page(name, ranked[49], ranked[94], cpu, size / 1000, asked.total, asked)


def _asked(address: str, cookie: str) -> Asked:
    """What the page asks of the database, seen from inside."""
    from django.test import Client

    client = Client(HTTP_HOST="localhost", HTTP_COOKIE=cookie)
    with counted() as asked:
        client.get(address)
    return asked


def table(pages: list[Page]) -> list[str]:
    """Lines to print."""
    head = f"{'page':<22}{'p50 ms':>8}{'p95 ms':>8}{'web CPU':>9}{'queries':>9}{'kB':>7}"
    lines = [f"{head}   goal: p95 < {GOAL_P95_MS:.0f} ms"]
    for page in pages:
        missed = "" if page.p95_ms < GOAL_P95_MS else "   misses"
        lines.append(
            f"{page.name:<22}{page.p50_ms:8.0f}{page.p95_ms:8.0f}{page.server_cpu_ms:9.0f}{page.statements:9}"
            f"{page.kilobytes:7.0f}{missed}"
        )
    return lines


def main() -> None:
    """The table, and with "-v" the statements of each page."""
    with stage():
        numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
        pages = measure(*numbers)
        print("\n".join(table(pages)), f"\nload {os.getloadavg()[0]:.1f}")
    for page in pages if "-v" in sys.argv else []:
        print(f"\n{page.name}")
        for sql, times in page.asked.statements.most_common():
            print(f"{times:4}  {sql[:1500]}")


if __name__ == "__main__":
    main()
