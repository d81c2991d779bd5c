"""Who reads: in which language, and at which address."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation.trans_real import parse_accept_lang_header

from releases.models.choices import LANGUAGES

DEFAULT: Final = "ko"
NAMES: Final = {"ko": "한국어", "en": "English"}


@dataclass(frozen=True)
class Reader:
    """`base` is the site's address without a slash at the end. `chosen`: the language was asked for in the address.
    `is_kept`: of a ready-made file, which a proxy hands out while nothing of Cloud Wiki answers.
    """

    language: str
    base: str
    chosen: bool = False
    is_kept: bool = False

    @property
    def query(self) -> str:
        """What keeps the chosen language in links."""
        return f"?lang={self.language}" if self.chosen else ""

    @property
    def other(self) -> str:
        """The language that the switch leads to."""
        return "en" if self.language == "ko" else "ko"

    @property
    def other_name(self) -> str:
        """Its name, in itself."""
        return NAMES[self.other]


def choose(wanted: str, accepted: str) -> tuple[str, bool]:
    """The language, and whether the address named it: `wanted` is ?lang=, `accepted` the header Accept-Language."""
    if wanted in LANGUAGES:
        return wanted, True
    return negotiate(accepted), False


def negotiate(accepted: str) -> str:
    """The language of ours that the header likes best; Korean where it says nothing of use, English where it names
    other languages only.
    """
    named = [language.partition("-")[0] for language, quality in parse_accept_lang_header(accepted) if quality]
    for language in named:
        if language in LANGUAGES:
            return language
        if language == "*":
            return DEFAULT
    return "en" if named else DEFAULT
