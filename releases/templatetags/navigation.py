"""Where in the site the reader is."""

from typing import Any

from django import template
from django.template import Context
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# A page belongs to the section whose word its URL name begins with; these begin otherwise.
ALIASES = {
    "plan": "deployment",
    "step": "deployment",
    "attempt": "deployment",
    "home": "dashboard",
    "capacity": "costs",
}
# Of names that begin with a verb, the section is in the last word: edit_wiki, import_wiki.
BY_LAST_WORD = {"wiki"}


def section_of(context: Context | dict[str, Any]) -> str:
    """The section that the page stated as `section`, or the one that its URL name begins with."""
    if stated := context.get("section"):
        return str(stated)
    match = getattr(context.get("request"), "resolver_match", None)
    words = (getattr(match, "url_name", None) or "").split("_")
    first = words[-1] if words[-1] in BY_LAST_WORD else words[0].split("-")[0]
    return ALIASES.get(first, first)


@register.simple_tag(takes_context=True)
def may_see_system(context: Context) -> bool:
    """Whether the reader is offered the system page; asked once for both menus of a page."""
    user: Any = context.get("user")
    if not getattr(user, "is_authenticated", False):
        return False
    if not hasattr(user, "sees_system"):
        from releases import permissions  # here, since the gallery shows the parts of pages without any models

        user.sees_system = permissions.may_see_system(user)
    return bool(user.sees_system)


@register.simple_tag(takes_context=True)
def current(context: Context, section: str) -> SafeString:
    """Mark the link of the section that the reader is in: ` aria-current="page"`."""
    here = section_of(context)
    same = here == section or here.removesuffix("s") == section.removesuffix("s")
    return mark_safe(' aria-current="page"' if same and here else "")  # noqa: S308 - a constant
