"""`make demo`: drives the demo deployment of a running installation from draft to success, as its people would.

Uses the public API over HTTP, one session for each person. Progress goes to stderr; at the end one JSON object
goes to stdout. The exit code is 0 only when the deployment succeeded.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from cloudwiki.embedded import data_folder

REQUESTER, APPROVER = "minjun", "seoyeon"
PROJECT, ENVIRONMENT = "demo", "production"
PREPARE_SECONDS = 180.0  # for proofs, backups and the look at the host
RUN_SECONDS = 1800.0
ENDED = {"succeeded", "failed", "errored", "cancelled", "unknown"}
# Blockers that no waiting, ticking or approving ends.
FINAL = {"locked", "active", "over_downtime", "over_duration", "host_unpinned", "migration_missing", "not_draft"}

Detail = dict[str, Any]


class Stopped(Exception):
    """The drive cannot go on. The text says why and what to do."""


class Person:
    """One logged-in person."""

    def __init__(self, address: str, username: str, password: str) -> None:
        self._client = httpx.Client(base_url=address, follow_redirects=True, timeout=30, trust_env=False)
        page = self._client.get("/")
        answer = self._client.post(
            str(page.url),
            data={"username": username, "password": password, "csrfmiddlewaretoken": self._token()},
            headers={"Referer": str(page.url)},
        )
        if "sessionid" not in self._client.cookies:
            raise Stopped(f"{username} could not log in at {page.url} (status {answer.status_code})")
        self._address = address

    def _token(self) -> str:
        return self._client.cookies.get("csrftoken") or ""

    def get(self, path: str) -> Any:
        """What the API says; raises Stopped with its words when it refuses."""
        return self._read(self._client.get(f"/api{path}"))

    def post(self, path: str, **values: Any) -> Any:
        """Do something; raises Stopped with the API's words when it refuses."""
        headers = {"X-CSRFToken": self._token(), "Referer": f"{self._address}/"}
        return self._read(self._client.post(f"/api{path}", json=values, headers=headers))

    @staticmethod
    def _read(answer: httpx.Response) -> Any:
        if answer.is_success and "json" in answer.headers.get("content-type", ""):
            return answer.json()
        raise Stopped(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:2000]}")


def main() -> int:
    """Drive it; returns the exit code."""
    data = data_folder()
    try:
        address = _address(data)
        logins = _logins(data)
        requester, approver = (Person(address, name, logins[name]) for name in (REQUESTER, APPROVER))
        detail = drive(requester, approver, note)
    except Stopped as reason:
        note(str(reason))
        return 1
    except httpx.TransportError as error:
        note(f"The web server does not answer ({error}). Start it with `make up`.")
        return 1
    print(json.dumps(report(detail)), flush=True)
    return 0 if detail["status"] == "succeeded" else 1


def drive(requester: Person, approver: Person, say: Callable[[str], None]) -> Detail:
    """From a draft to the end of the deployment; returns its last state. Raises Stopped."""
    made = requester.post(
        "/deployments",
        release=_release(requester)["id"],
        environment=_environment(requester)["id"],
        idempotency_key=uuid4().hex,
    )
    say(f"deployment {made['id']}: {made['release']} to {made['environment']}, plan {made['digest'][:12]}")
    detail = _clear(requester, approver, int(made["id"]), say)
    requester.post(f"/deployments/{made['id']}/start", digest=detail["digest"])
    return _follow(requester, int(made["id"]), say)


def report(detail: Detail) -> dict[str, Any]:
    """What `make demo` prints; durations in seconds."""
    downtime = detail["downtime"]
    begun, ended = (detail[name] and datetime.fromisoformat(detail[name]) for name in ("started_at", "finished_at"))
    measured = downtime["measured"]
    return {
        "state": detail["status"],
        "steps": len([step for step in detail["steps"] if step["status"] != "skipped"]),
        "duration_s": round((ended - begun).total_seconds(), 1) if begun and ended else None,
        "downtime_planned_s": downtime["planned"],
        "downtime_measured_s": None if measured is None else round(measured, 2),
        "backups": detail["backups"],
        "audit_events": detail["audit_events"],
    }


def _clear(requester: Person, approver: Person, number: int, say: Callable[[str], None]) -> Detail:
    """Answer every blocker of the gate as it comes up; returns the deployment once there is none."""
    asked: set[tuple[int, str]] = set()
    approved = ""
    detail: Detail = {}
    for _turn in _turns(PREPARE_SECONDS):
        detail = requester.get(f"/deployments/{number}")
        if not detail["blockers"]:
            say("the gate is open")
            return detail
        _mend(requester, detail)
        _tick(requester, detail, asked, say)
        if all(item["ticked"] for item in detail["checklist"]) and approved != detail["digest"]:
            approver.post(f"/deployments/{number}/approve", digest=detail["digest"], note="데모 승인")
            approved = detail["digest"]
            say(f"approved by {APPROVER}")
    raise Stopped(f"The gate stays closed: {_words(detail)}")


def _mend(requester: Person, detail: Detail) -> None:
    """A plan that is no longer true is made anew; what nobody can mend from here ends the drive."""
    codes = {blocker["code"] for blocker in detail["blockers"]}
    if codes & FINAL:
        raise Stopped(f"The gate is closed: {_words(detail)}")
    if "plan_changed" in codes:
        requester.post(f"/deployments/{detail['id']}/rebuild")


def _words(detail: Detail) -> str:
    return "; ".join(f"{blocker['message']} {blocker['detail']}".strip() for blocker in detail["blockers"])


def _tick(requester: Person, detail: Detail, asked: set[tuple[int, str]], say: Callable[[str], None]) -> None:
    """Tick the boxes that a person ticks, ask for the proof of the others; each once for one plan."""
    for item in detail["checklist"]:
        if item["proof"] == "failed":
            raise Stopped(f"The check of {item['title']!r} failed: {item['note'] or item.get('evidence', '')}")
        key = (item["id"], detail["digest"])
        if item["ticked"] or key in asked:
            continue
        asked.add(key)
        if item["check_kind"]:
            requester.post(f"/checklist/{item['id']}/prove")
        else:
            requester.post(f"/checklist/{item['id']}/tick", digest=detail["digest"])
        say(f"checklist: {item['title']}")


def _follow(requester: Person, number: int, say: Callable[[str], None]) -> Detail:
    seen: dict[int, str] = {}
    for _turn in _turns(RUN_SECONDS):
        detail: Detail = requester.get(f"/deployments/{number}")
        for step in detail["steps"]:
            if seen.get(step["id"], "pending") != step["status"]:
                say(f"step {step['number']} {step['title']}: {step['status']} {step['reason']}".rstrip())
            if step["status"] == "waiting" and seen.get(step["id"]) != "waiting":
                requester.post(f"/steps/{step['id']}/confirm", worked=True, note="데모에서 확인함")
            seen[step["id"]] = step["status"]
        if detail["status"] in ENDED:
            say(f"deployment {number}: {detail['status']} {detail['error']}".rstrip())
            return detail
    raise Stopped(f"deployment {number} did not end within {RUN_SECONDS:g} s; it goes on")


def _turns(seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.25)


def _environment(person: Person) -> Detail:
    return _one(person.get("/environments"), lambda row: row["key"] == ENVIRONMENT, "environment")


def _release(person: Person) -> Detail:
    """The newest release of software: the written procedure is about that."""
    return _one(person.get("/releases")["items"], lambda row: not row["gpu"], "release")


def _one(rows: list[Detail], wanted: Callable[[Detail], bool], noun: str) -> Detail:
    for row in rows:
        if row["project"] == PROJECT and wanted(row):
            return row
    raise Stopped(f"The demo project has no such {noun}. `python -m cloudwiki demo` loads it.")


def _address(data: Path) -> str:
    given = os.environ.get("CLOUDWIKI_URL")
    if given:
        return given.rstrip("/")
    try:
        return str(json.loads((data / "web.json").read_text())["address"])
    except (OSError, ValueError, KeyError) as error:
        raise Stopped("Cloud Wiki does not run here. Start it with `make up` in another terminal.") from error


def _logins(data: Path) -> dict[str, str]:
    try:
        found = json.loads((data / "demo.json").read_text())["logins"]
        logins = {entry["username"]: entry["password"] for entry in found}
        return {name: logins[name] for name in (REQUESTER, APPROVER)}
    except (OSError, ValueError, KeyError) as error:
        raise Stopped(f"{data / 'demo.json'} does not hold the demo's passwords; `make up` writes it.") from error


def note(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
