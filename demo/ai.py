"""The AI route of the demo's backend: asks the GPU endpoint that the environment file names. Standard library only."""

import json
import re
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROUTE = "/api/ai/chat"
FILE = "backend.env"  # in the site's etc/; lines of NAME=value, as systemd's EnvironmentFile has them
NAMES = ("RUNPOD_ENDPOINT_ID", "RUNPOD_BASE_URL", "RUNPOD_API_KEY", "AI_MODEL")
MAX_TOKENS = 256  # always sent: without it endpoints cut their answers after a few words
ANSWER_SECONDS = 80.0  # that an endpoint may take, with its cold start
LONGEST = 65_536  # bytes of a question
LONGEST_ANSWER = 1_000_000  # bytes of what an endpoint sends
LONGEST_REASON = 300  # characters of its reason that are handed on


class Refused(Exception):
    """The request ends with this status and this text as its error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def settings(file: Path) -> dict[str, str]:
    """The variables of an environment file; none if it can't be read. The last line of a name counts."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if not line.lstrip().startswith(("#", ";")))
    return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1]
    return value


class Chat:
    """Questions to one endpoint, with the settings that the service had at its start."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.endpoint, self._base, self._key, self._model = (variables.get(name, "") for name in NAMES)
        self._missing = [name for name in NAMES if not variables.get(name)]

    def about(self) -> str:
        """Which endpoint it asks, for the service's log."""
        return "AI: no endpoint is set" if self._missing else f"AI: asks endpoint {self.endpoint}"

    def respond(self, length: str, source: BufferedIOBase) -> tuple[int, dict[str, str]]:
        """Status and JSON for one request. `length`: its Content-Length; `source`: where its body is read from."""
        try:
            return 200, {"answer": self._ask(_question(length, source)), "endpoint": self.endpoint}
        except Refused as refused:
            return refused.status, {"error": refused.text}

    def _ask(self, message: str) -> str:
        if self._missing:
            raise Refused(503, f"the AI endpoint is not configured: {', '.join(self._missing)} not set")
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": message}],
            "max_tokens": MAX_TOKENS,
        }
        try:
            status, raw = self._post(json.dumps(body).encode())
        except TimeoutError as error:
            raise Refused(502, f"the AI endpoint did not answer within {ANSWER_SECONDS:g} s") from error
        except (OSError, HTTPException, ValueError) as error:
            raise Refused(502, f"the AI endpoint can't be asked: {self._masked(str(error))}") from error
        if status != 200:
            raise Refused(502, f"the AI endpoint answered {status}: {self._reason(raw)}")
        return _answer(raw)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """Straight to the endpoint: no proxy, and no redirect that could carry the key elsewhere."""
        url = urlsplit(self._base)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError("RUNPOD_BASE_URL is no address of http or https")
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname, url.port, timeout=ANSWER_SECONDS)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        try:
            connection.request("POST", f"{url.path.rstrip('/')}/chat/completions", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(LONGEST_ANSWER)
        finally:
            connection.close()

    def _reason(self, raw: bytes) -> str:
        """What an endpoint says about its failure, on one line."""
        told = _json(raw)
        if isinstance(told, dict):
            told = told.get("detail") or told.get("error") or told
        text = told if isinstance(told, str) else raw.decode(errors="replace") if told is None else json.dumps(told)
        return self._masked(" ".join(text.split()))[:LONGEST_REASON]

    def _masked(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _question(length: str, source: BufferedIOBase) -> str:
    if not length.isdecimal():
        raise Refused(411, "a Content-Length is needed")
    raw = source.read(min(int(length[:9]), LONGEST + 1))
    if len(raw) > LONGEST:
        raise Refused(413, f"a question has at most {LONGEST} bytes")
    given = _json(raw)
    message = given.get("message") if isinstance(given, dict) else None
    if not isinstance(message, str) or not message.strip():
        raise Refused(400, 'the body must be JSON such as {"message": "..."}')
    return message


def _answer(raw: bytes) -> str:
    """The text of a chat completion."""
    try:
        content = json.loads(raw)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        content = None
    if not isinstance(content, str):
        raise Refused(502, "the AI endpoint's answer is no chat completion")
    return content


def _json(raw: bytes) -> Any:
    """None if it is no JSON."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
