"""A maintenance page in place of the service, switched on and off by nginx."""

import re
from collections.abc import Mapping
from html import escape
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.actions.base import ActionError, Script, ScriptAction, StepContext
from releases.actions.explain import explain_tail, plain
from releases.actions.texts import shell_text, shown

_REASONS: Final = {
    "no folder": gettext_lazy("There is no folder %(what)s. Make it, and let the login write there."),
    "not ours": gettext_lazy("%(what)s holds something else. Name a file that is for the maintenance page alone."),
    "no page": gettext_lazy("There is no page %(what)s on the host. Leave `page` empty to have one written."),
    "odd name": gettext_lazy("%(what)s can't stand in nginx's configuration. Use letters, digits, dots and dashes."),
    "not allowed": gettext_lazy("The login may not write %(what)s. Give it the right to, or choose another place."),
    "nginx refuses": gettext_lazy(
        "nginx refuses its configuration with %(what)s. All is as it was; read its words in the log."
    ),
    "not included": gettext_lazy(
        "nginx does not read %(what)s, so nobody would see the page. All is as it was; include it in the server block."
    ),
    "not reloaded": gettext_lazy("nginx could not be reloaded; %(what)s is as it was. Read its words in the log."),
}
_LONGEST: Final = 4000  # bytes
_PAGE: Final = """<!doctype html>
<html lang="ko"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif }}
body {{ min-height: 100vh; margin: 0; display: grid; place-content: center; text-align: center; padding: 2rem }}
p {{ margin: 0 0 2rem; line-height: 1.6 }} h1, h2 {{ font-size: 1.4rem; margin: 0 0 .5rem }}
</style></head><body><main>{body}</main></body></html>"""


class MaintenancePage(ScriptAction):
    """nginx tests its configuration before it is reloaded; what it refuses is put back as it was."""

    kind = "maintenance_page"

    def script(self, context: StepContext) -> Script:
        parameters = context.parameters
        data = {
            "step_shows": "yes" if parameters["shows"] else "no",
            "step_include": parameters["include"],
            "step_page": parameters.get("page", ""),
            "step_html": quoted(page(parameters["title"], parameters["text"])),
            "step_retry_after": str(parameters["retry_after"]),
            "step_nginx": parameters["nginx"],
            "step_name": f"cloudwiki-{context.deployment.pk}-{context.planned.key}",
            "step_shown": shown(context.planned.lines),
        }
        return Script(shell_text("machine.sh", "maintenance_page.sh"), data)

    def explain(self, exit_code: int, tail: bytes) -> str:
        found = re.findall(r"^maintenance: ([^:\n]+): (.+)$", plain(tail), re.MULTILINE)
        if found and found[-1][0] in _REASONS:
            return str(_REASONS[found[-1][0]]) % {"what": found[-1][1]}
        return explain_tail(tail, exit_code)


def quoted(text: str) -> str:
    """A text as one word of nginx's configuration; what it would take for a variable is an HTML entity.

    Raises ActionError for one that is too long for it (4096 bytes, nginx's NGX_CONF_BUFFER).
    """
    word = '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "&#36;") + '"'
    if len(word.encode()) > _LONGEST:
        raise ActionError(_("Title and text are too long for a page of ours. Shorten them, or give your own page."))
    return word


def page(title: Mapping[str, str], text: Mapping[str, str]) -> str:
    """The whole page, in both languages, as far as there are words in them."""
    parts: list[str] = []
    for code in ("ko", "en"):
        heading = "h1" if not parts else "h2"
        if title.get(code):
            parts.append(f'<{heading} lang="{code}">{escape(title[code])}</{heading}>')
        if text.get(code):
            parts.append(f'<p lang="{code}">{escape(text[code])}</p>')
    return _PAGE.format(title=escape(title.get("ko") or title.get("en") or ""), body="".join(parts))
