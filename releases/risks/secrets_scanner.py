"""Finding secrets in texts that people write, before they are saved.

Rules name what they know by its shape; the last one, of randomness, asks for much before it says anything: git commits,
digests, UUIDs, fingerprints, public keys, paths and long names are no secrets. What stands for a value, such as
{password}, $PASSWORD, <password> or ****, is none either.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

LONGEST: Final = 1 << 20  # characters of a text that are read


@dataclass(frozen=True)
class Found:
    """What looks like a secret: what it is, and where (`start`, `end`, in characters; `line` from 1)."""

    rule: str
    start: int
    end: int
    line: int
    text: str

    @property
    def label(self) -> Promise:
        """What it is, in the reader's language."""
        return WORDS[self.rule]

    @property
    def hint(self) -> str:
        """Its first characters, so that a person finds it; never the rest."""
        return f"{self.text[: min(4, len(self.text) // 4)]}…"


WORDS: Final[dict[str, Promise]] = {
    "private_key": _("private key"),
    "aws_id": _("AWS access key"),
    "aws_secret": _("AWS secret key"),
    "github": _("GitHub token"),
    "gitlab": _("GitLab token"),
    "slack": _("Slack token"),
    "webhook": _("address of a chat webhook"),
    "telegram": _("Telegram bot token"),
    "runpod": _("RunPod key"),
    "openai": _("OpenAI or Anthropic key"),
    "hugging_face": _("Hugging Face token"),
    "google": _("Google API key"),
    "stripe": _("Stripe key"),
    "age": _("age key"),
    "jwt": _("JSON web token"),
    "url_password": _("password in an address"),
    "option_password": _("password in a command"),
    "assigned": _("password or key"),
    "random": _("long random text"),
}
_NAME: Final = (
    r"(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|비밀번호|패스워드)"
)
# Of each rule the group `secret` is the secret; without one, the whole match.
_RULES: Final = {
    "private_key": r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY-----",
    "aws_id": r"\b(?:AKIA|ASIA)(?![A-Z0-9]{0,9}EXAMPLE)[A-Z2-7]{16}\b",
    "aws_secret": (
        r"(?i)aws_?secret(?:_?access)?_?key['\"]?\s*[=:]\s*['\"]?(?P<secret>[A-Za-z0-9/+=]{40})(?![A-Za-z0-9/+=])"
    ),
    "github": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})",
    "gitlab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "slack": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "webhook": (
        r"https://hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]{16,}"
        r"|https://(?:[a-z]+\.)?discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{40,}"
    ),
    "telegram": r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",
    "runpod": r"\brpa_[A-Za-z0-9]{24,}",
    "openai": r"(?<![A-Za-z0-9_-])sk-(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9_-]{24,}",
    "hugging_face": r"\bhf_[A-Za-z0-9]{30,}",
    "google": r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])",
    "stripe": r"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "age": r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}",
    "url_password": r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{1,80}:(?P<secret>[^\s/@'\"]{1,200})@",
    "option_password": (
        r"(?:\b(?:PGPASSWORD|MYSQL_PWD|REDISCLI_AUTH|SSHPASS|RESTIC_PASSWORD)="
        r"|--(?:password|pass|passwd|token|api-key)[= ]|\bsshpass\s+-p\s*)"
        r"(?P<secret>'[^'\n]{1,200}'|\"[^\"\n]{1,200}\"|[^\s'\";|&]{1,200})"
    ),
    "assigned": (
        rf"(?i)(?<![A-Za-z0-9])(?:[A-Za-z0-9_.-]{{0,40}}[_.-])?{_NAME}['\"]?\s*(?:=|:|은|는)\s*"
        r"(?P<secret>'[^'\n]{8,200}'|\"[^\"\n]{8,200}\"|[^\s'\",;()]{8,200})"
    ),
    "random": r"(?<![A-Za-z0-9+/=_.:@-])[A-Za-z0-9+/_-]{32,128}={0,2}(?![A-Za-z0-9+/=_@-])",
}
_COMPILED: Final = {name: re.compile(text) for name, text in _RULES.items()}
# Words that stand for a value which is not written there.
_STANDS_FOR: Final = re.compile(
    r"(?i)[{}$<>%`]|\*{3}|•|…|\.\.\.|^x+$|^-|^(?:your|my|the|some|new|old|example|sample|dummy|change|placeholder|redacted)"
    r"|^(?:user|pass|password|passwd|pwd|secret|token|key|none|null|true|false|yes|no|string|hidden|비밀번호)\d?$"
)
_NO_SECRETS: Final = re.compile(r"(?:SHA256:|sha(?:256|384|512)[:=]|ssh-[a-z0-9-]+ |ecdsa-[a-z0-9-]+ )$")


def scan(text: str) -> list[Found]:
    """What looks like a secret, in order; what a rule named already is not named again."""
    text = text[:LONGEST]
    taken: list[tuple[int, int]] = []
    found = []
    for rule, pattern in _COMPILED.items():
        for start, end in _matches(rule, pattern, text):
            if not any(start < other_end and other_start < end for other_start, other_end in taken):
                taken.append((start, end))
                found.append(Found(rule, start, end, text.count("\n", 0, start) + 1, text[start:end]))
    return sorted(found, key=lambda one: one.start)


def _matches(rule: str, pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    group = "secret" if "secret" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        start, end = match.span(group)
        while text[start] in "'\"" and end - start > 2:
            start, end = start + 1, end - 1
        if _counts(rule, text[start:end], text[max(0, start - 24) : start]):
            yield start, end


def _counts(rule: str, value: str, before: str) -> bool:
    if rule in {"url_password", "option_password"}:
        return not _STANDS_FOR.search(value)
    if rule == "assigned":
        return not _STANDS_FOR.search(value) and _is_made_up(value)
    if rule == "random":
        return not _NO_SECRETS.search(before) and _is_random(value)
    return True


def _is_made_up(value: str) -> bool:
    """A password rather than a word: no path, no name of a variable, letters and digits or signs."""
    if value.startswith(("/", "~", "./", "http://", "https://")) or not value.isascii():
        return False
    kinds = [
        any(map(test, value)) for test in (str.isalpha, str.isdigit, lambda c: not c.isalnum() and c not in "_-./:,")
    ]
    return (
        sum(kinds) >= 2
        and not re.fullmatch(r"[0-9][0-9.:/-]*", value)
        and not re.fullmatch(r"[a-z]+(?:[_-][a-z0-9]+)*", value)
    )


def _is_random(value: str) -> bool:
    """Upper, lower and digits in one heap, evenly and without order."""
    body = value.rstrip("=")
    sorts = [_sort(character) for character in body]
    if not {"upper", "lower", "digit"} <= set(sorts) or sorts.count("digit") < 3:
        return False
    if body.startswith(("AAAA", "sha256-", "sha384-", "sha512-")):  # a public key, a digest
        return False
    if body.count("/") > max(2, len(body) // 20):  # a path
        return False
    changes = sum(one != other for one, other in pairwise(sorts))
    return changes >= 0.45 * len(body) and _entropy(body) >= 4.2


def _sort(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "upper" if character.isupper() else "lower"
    return "sign"


def _entropy(text: str) -> float:
    """Bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
