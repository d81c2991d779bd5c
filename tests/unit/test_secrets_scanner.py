"""The scanner finds planted secrets anywhere, and nothing in what is none."""

import base64
import hashlib
import string
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.risks.secrets_scanner import scan
from releases.risks.seed import VIEWS
from releases.runbooks import loader

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((Path(loader.__file__).parent / "seed").glob("*.yaml"))
SHAPES = ["{}", "commit {}", "sha256:{}", "`{}`", "{}  app.jar", "v={}"]
LETTERS = string.ascii_letters + string.digits


def text(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size, max_size=size)


def mixed(size: int) -> st.SearchStrategy[str]:
    return text(LETTERS, size).filter(lambda one: any(c.isdigit() for c in one))


PLANTED = st.one_of(
    text(string.ascii_uppercase + "234567", 16).map(lambda s: ("aws_id", f"AKIA{s}")),
    text(LETTERS + "/+", 40).map(lambda s: ("aws_secret", f"aws_secret_access_key = {s}")),
    st.sampled_from(["", "RSA ", "OPENSSH ", "EC "]).map(lambda s: ("private_key", f"-----BEGIN {s}PRIVATE KEY-----")),
    mixed(36).map(lambda s: ("github", f"ghp_{s}")),
    mixed(60).map(lambda s: ("github", f"github_pat_{s}")),
    mixed(24).map(lambda s: ("slack", f"xoxb-{s}")),
    mixed(46).map(lambda s: ("runpod", f"rpa_{s}")),
    mixed(48).map(lambda s: ("openai", f"sk-proj-{s}")),
    st.tuples(text(LETTERS, 20), text(LETTERS, 40), text(LETTERS, 43)).map(
        lambda s: ("jwt", f"eyJ{s[0]}.eyJ{s[1]}.{s[2]}")
    ),
    mixed(12).map(lambda s: ("url_password", f"postgres://app:q{s}@db.internal:5432/shop")),
    mixed(12).map(lambda s: ("option_password", f"PGPASSWORD=q{s} psql -U postgres")),
    mixed(12).map(lambda s: ("option_password", f"mysql --password=q{s}")),
)


@settings(max_examples=300)
@given(PLANTED, st.text(max_size=60), st.text(max_size=60))
def test_a_planted_secret_is_found_wherever_it_stands(planted: tuple[str, str], before: str, after: str) -> None:
    rule, secret = planted
    content = f"{before}\n{secret}\n{after}"
    found = [one for one in scan(content) if one.rule == rule and one.text in secret]
    assert found
    assert content[found[0].start : found[0].end] == found[0].text
    assert found[0].line == content.count("\n", 0, found[0].start) + 1
    assert found[0].text not in found[0].hint


@settings(max_examples=300)
@given(
    st.binary(min_size=1, max_size=64), st.sampled_from(["{}", "commit {}", "sha256:{}", "`{}`", "{}  app.jar", "v={}"])
)
def test_digests_commits_and_uuids_are_no_secrets(seed: bytes, shape: str) -> None:
    digest = hashlib.sha256(seed).hexdigest()
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(seed).digest()).decode().rstrip("=")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + base64.b64encode(hashlib.sha256(seed).digest()).decode().rstrip("=")
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(seed).digest()).decode()
    made = uuid.UUID(bytes=hashlib.md5(seed, usedforsecurity=False).digest())
    for value in (digest, digest[:40], digest[:12], digest.upper(), str(made), made.hex, fingerprint, key, integrity):
        assert scan(shape.format(value)) == [], value


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_runbooks_hold_none(path: Path) -> None:
    assert scan(path.read_text()) == []


def test_documents_and_sources_hold_none() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "releases").rglob("*.sh")]
    documents += [ROOT / "requirements.lock", ROOT / "docker-compose.yml", ROOT / "templates" / "base.html"]
    found = {str(path.relative_to(ROOT)): scan(path.read_text()) for path in documents}
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_the_seeds_own_words_hold_none() -> None:
    for view in VIEWS:
        for row in view.rows:
            assert scan(f"{row.problem.ko} {row.description.ko} {row.problem.en} {row.description.en}") == []


@pytest.mark.parametrize(
    "content",
    [
        "pg_dump -U postgres -d {db_name} > backup_YYYYMMDD.sql",
        "PGPASSWORD=$DB_PASSWORD psql",
        'PGPASSWORD="$(cat {db_password_file})" psql',
        "postgres://user:password@host/db",
        "postgres://app:{db_password}@host/db",
        "https://example.com/a:b@c",
        "password is required",
        "password: {db_password_file}",
        "password_secret: db_password",
        "api_key=<your key>",
        "token: ****",
        "비밀번호는 12자 이상이어야 합니다",
        "비밀번호: 환경 변수로 넣습니다",
        "EC2에 Endpoint URL + API Key 환경변수 설정",
        "AKIAIOSFODNN7EXAMPLE",
        "scp -r .next user@server:/app/frontend/",
        "getElementsByClassNameAndTagNameWithFilter2",
        "/var/lib/postgresql/17/main/base/16384/PG_VERSION/aB3dE5fG7",
        "risk-based-decision-making-in-teams-of-2026",
        "runpod/worker-v1-vllm:v2.25.2",
    ],
)
def test_what_only_looks_like_one_is_none(content: str) -> None:
    assert scan(content) == []


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("비밀번호: s3cretpw1!", "assigned"),
        ("DB_PASSWORD=hunter2hunter2", "assigned"),
        ("--token abcdef123456", "option_password"),
        ("sshpass -p hunter2 ssh deploy@host", "option_password"),
        ("123456789:AAF0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0u", "telegram"),
        ("hf_aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1w", "hugging_face"),
        ("wJ4rX9bQ2mT7zK1pN6vL8cY3hG5dF0sA", "random"),
    ],
)
def test_others_are_found_by_their_rule(content: str, rule: str) -> None:
    assert [one.rule for one in scan(content)] == [rule]


def test_a_large_text_is_read_quickly_and_not_for_ever() -> None:
    hostile = ("a" * 500 + "password" * 50 + "=" * 50 + "AKIA" * 50 + "://:@" * 50) * 200
    scan(hostile)
