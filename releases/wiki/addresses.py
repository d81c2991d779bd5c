"""Short names of pages and headings, as they stand in addresses."""

import re

from django.utils.text import slugify

LONGEST = 120


def slug_of(title: str) -> str:
    """A short name from a title, in any script: "2.3 상세 배포 절차" gives 2-3-상세-배포-절차. May be empty."""
    return slugify(re.sub(r"[./·:_]+", "-", title), allow_unicode=True)[:LONGEST].strip("-")


def unused(slug: str, taken: "set[str]") -> str:
    """The short name, with a number behind it where it is taken."""
    made, number = slug, 1
    while made in taken:
        number += 1
        made = f"{slug[: LONGEST - 5]}-{number}"
    return made
