"""The masker: nothing of a secret passes, however the stream is cut and wherever it is taken up again."""

import base64
import html
import json
import shlex
import subprocess
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releases.logs.masking import REPLACEMENT, StreamMasker

SECRET = "p@ss/wörd 'n\"$x&+%7é"


def masked(secrets: list[str], *chunks: bytes) -> bytes:
    masker = StreamMasker(secrets)
    return b"".join([*map(masker.feed, chunks), masker.flush()])


def test_it_masks_a_secret() -> None:
    assert masked(["hunter2hunter2"], b"x=hunter2hunter2;\n") == b"x=" + REPLACEMENT + b";\n"


def test_it_passes_everything_when_there_are_no_secrets() -> None:
    masker = StreamMasker([])
    assert masker.feed(b"abc") == b"abc"
    assert (masker.held, masker.flush()) == (0, b"")


def test_it_ignores_an_empty_secret() -> None:
    assert masked(["", "hunter2hunter2"], b"a hunter2hunter2") == b"a " + REPLACEMENT


@pytest.mark.parametrize("secret", ["a", "ab", "abcd", "abcde"])
def test_it_masks_even_a_secret_that_is_too_short(secret: str) -> None:
    text = f"x{secret}x".encode()
    for cut in range(len(text)):
        assert masked([secret], text[:cut], text[cut:]) == b"x" + REPLACEMENT + b"x"


ENCODED = {
    "plain": SECRET.encode(),
    "base64": base64.b64encode(SECRET.encode()),
    "base64 after 1 byte": base64.b64encode(b"u" + SECRET.encode() + b"!"),
    "base64 after 2 bytes": base64.b64encode(b"u:" + SECRET.encode()),
    "base64 URL": base64.urlsafe_b64encode(b"user:" + SECRET.encode()),
    "hex": SECRET.encode().hex().encode(),
    "URL": quote(SECRET, safe="").encode(),
    "URL path": quote(SECRET).encode(),
    "form": quote_plus(SECRET).encode(),
    "URL lower": b"p%40ss%2fw%c3%b6rd%20%27n%22%24x%26%2b%257%c3%a9",
    "JSON": json.dumps(SECRET).encode(),
    "JSON UTF-8": json.dumps(SECRET, ensure_ascii=False).encode(),
    "JSON in JSON": json.dumps(json.dumps(SECRET, ensure_ascii=False), ensure_ascii=False).encode(),
    "Python": repr(SECRET).encode(),
    "shell": shlex.quote(SECRET).encode(),
    "shell trace": subprocess.run(["bash", "-c", 'set -x; : "$0"', SECRET], capture_output=True).stderr,
    "shell %q": subprocess.run(["bash", "-c", 'LC_ALL=C.UTF-8; printf %q "$0"', SECRET], capture_output=True).stdout,
    "dash trace": subprocess.run(["dash", "-c", 'set -x; : "$0"', SECRET], capture_output=True).stderr,
    "HTML": html.escape(SECRET).encode(),
    "SQL": SECRET.replace("'", "''").encode(),
    "Make": SECRET.replace("$", "$$").encode(),
}


@pytest.mark.parametrize("name", ENCODED)
def test_it_masks_every_encoding_at_every_chunk_edge(name: str) -> None:
    form = ENCODED[name]
    stream = b"before " + form + b" after\n"
    whole = masked([SECRET], stream)
    assert whole.count(REPLACEMENT) == 1
    left = whole.replace(REPLACEMENT, b"").removeprefix(b"before ").removesuffix(b" after\n")
    allowed = {"shell trace": 12, "dash trace": 12}.get(name, 8)  # `+ : '...'`, quotes, base64 of the neighbours
    assert len(left) <= allowed, left
    for cut in range(len(stream)):
        assert masked([SECRET], stream[:cut], stream[cut:]) == whole


def test_it_masks_base64_wrapped_at_76_columns() -> None:
    secret = "".join(chr(97 + i * 7 % 26) for i in range(200))
    wrapped = base64.encodebytes(secret.encode())
    assert wrapped.count(b"\n") == 4
    left = masked([secret], wrapped).replace(REPLACEMENT, b"").replace(b"\n", b"").replace(b"=", b"")
    assert len(left) <= 1


KEY = (
    "-----BEGIN KEY-----\n"
    + "\n".join(f"{i}" * 3 + "abcdefghijkl" + str(i) for i in range(9))
    + "\nxy\n-----END KEY-----\n"
)


def test_it_masks_a_secret_of_several_lines_as_one() -> None:
    assert masked([KEY], b"<" + KEY.encode() + b">") == b"<" + REPLACEMENT + b">"
    assert masked([KEY], b"<" + KEY.replace("\n", "\r\n").encode() + b">") == b"<" + REPLACEMENT + b">"


def test_it_masks_each_long_line_of_a_secret_of_several_lines() -> None:
    for line in KEY.splitlines():
        expected = REPLACEMENT if len(line) >= 8 else line.encode()
        assert masked([KEY], b"> " + line.encode() + b" <") == b"> " + expected + b" <"


def test_overlapping_secrets_leave_nothing_of_either() -> None:
    assert masked(["abcdefgh", "efghijkl"], b".abcdefghijkl.") == b"." + REPLACEMENT + b"."
    assert masked(["abcdefgh", "cdefghij", "abcdefghijklmnop"], b".abcdefghij.") == b"." + REPLACEMENT + b"."


def test_secrets_side_by_side_are_two_masks() -> None:
    assert masked(["abcdefgh", "ijklmnop"], b"abcdefghijklmnop") == REPLACEMENT * 2


def test_it_holds_back_only_what_may_be_a_secret() -> None:
    masker = StreamMasker(["abcdefgh"])
    assert masker.feed(b"xxabcdef") == b"xx"
    assert masker.held == 6
    assert masker.feed(b"!") == b"abcdef!"
    assert masker.held == 0
    assert masker.feed(b"abcdefgh") == b""  # its last letter may begin the base64 form "hYmN..."
    assert masker.feed(b"\n") == REPLACEMENT + b"\n"
    assert masker.held == 0


def test_a_beginning_at_the_end_of_the_stream_is_given_out_by_flush() -> None:
    assert masked(["abcdefgh"], b"x abcdefg") == b"x abcdefg"


def test_what_is_held_back_stays_bounded_in_an_endless_run() -> None:
    masker = StreamMasker(["a" * 8])
    for _ in range(200):
        assert b"aaaaaaaa" not in masker.feed(b"a" * 1000)
        assert masker.held < 6000
    assert b"aaaaaaaa" not in masker.flush()


def test_mask_leaves_the_stream_alone() -> None:
    masker = StreamMasker(["abcdefgh"])
    masker.feed(b"abcd")
    assert masker.mask(b"no abcdefgh here, ab") == b"no " + REPLACEMENT + b" here, ab"
    assert masker.held == 4
    assert masker.feed(b"efgh\n") == REPLACEMENT + b"\n"


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Secrets over a tiny alphabet, so that they overlap, repeat and nest, and a stream full of them."""
    secrets = draw(st.lists(st.text("ab\n", min_size=1, max_size=12), min_size=1, max_size=4))
    parts = st.one_of(
        st.sampled_from(secrets).map(str.encode),
        st.sampled_from(secrets).map(lambda s: base64.b64encode(s.encode())),
        st.text("abc\n", max_size=6).map(str.encode),
        st.binary(max_size=4),
        st.sampled_from([b"a" * 5000, b"ab" * 3000]) if draw(st.booleans()) else st.just(b"-"),
    )
    return secrets, b"".join(draw(st.lists(parts, max_size=12)))


@settings(max_examples=150)
@given(streams(), st.lists(st.tuples(st.integers(0, 700), st.booleans()), max_size=40))
def test_chunking_and_resuming_never_change_the_result(
    case: tuple[list[str], bytes], cuts: list[tuple[int, bool]]
) -> None:
    secrets, stream = case
    whole = masked(secrets, stream)
    masker, fed, output = StreamMasker(secrets), 0, b""
    for size, resume in cuts:
        output += masker.feed(stream[fed : fed + size])
        fed = min(len(stream), fed + size)
        if resume:  # a new driver: it knows only the raw offset that was stored
            fed -= masker.held
            masker = StreamMasker(secrets)
    output += masker.feed(stream[fed:]) + masker.flush()
    assert output == whole


@settings(max_examples=150)
@given(streams())
def test_no_whole_secret_is_ever_left(case: tuple[list[str], bytes]) -> None:
    secrets, stream = case
    output = masked(secrets, stream)
    assert not [secret for secret in secrets if secret.encode() in output]


def test_200_secrets_are_found_at_every_position_of_a_chunk_edge() -> None:
    secrets = [f"secret-{i:03}-{'xyz'[i % 3] * (i % 40)}" for i in range(200)]
    stream = b"".join(b"%d %s\n" % (i, s.encode()) for i, s in enumerate(secrets))
    expected = b"".join(b"%d %s\n" % (i, REPLACEMENT) for i in range(200))
    for size in (1, 2, 3, 7, 64, 1000):
        masker = StreamMasker(secrets)
        chunks = [masker.feed(stream[i : i + size]) for i in range(0, len(stream), size)]
        assert b"".join([*chunks, masker.flush()]) == expected
