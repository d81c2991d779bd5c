"""Which language the public page speaks."""

import pytest

from releases.public.reader import Reader, choose


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "ko"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("en;q=0.3, ko;q=0.7", "ko"),
        ("fr-FR,fr;q=0.9,en;q=0.5", "en"),
        ("de, ja;q=0.5", "en"),  # neither of ours: the one that more people read
        ("ja, ko;q=0.1", "ko"),
        ("*", "ko"),
        ("fr, *;q=0.1", "ko"),
        ("ko;q=0, en;q=0.1", "en"),
        ("en-GB", "en"),
        ("\x00;;;,,,q=", "ko"),
        ("x" * 10_000, "ko"),
    ],
)
def test_the_header_chooses(accepted: str, language: str) -> None:
    assert choose("", accepted) == (language, False)


def test_the_address_goes_before_the_header() -> None:
    assert choose("en", "ko") == ("en", True)
    assert choose("ko", "en") == ("ko", True)


def test_a_language_that_there_is_not_is_passed_over() -> None:
    assert choose("../fr", "en") == ("en", False)


def test_links_keep_a_language_that_was_chosen() -> None:
    assert Reader("en", "https://x", chosen=True).query == "?lang=en"
    assert Reader("en", "https://x").query == ""
