"""What the team is told when a risk opens, in both languages."""

from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from releases.models import Risk
from releases.risks.registry import by_kind

ROOM: Final = 500  # characters of a finding in a message


def said(row: Risk) -> tuple[dict[str, str], dict[str, str]]:
    """Subject and text (Markdown), each by language."""
    subject, text = {}, {}
    check = by_kind().get(row.kind)
    for code, _name in settings.LANGUAGES:
        with override(code):
            title = str(check.title) if check else row.kind
            subject[code] = _("%(project)s: a risk is open: %(title)s") % {"project": row.project, "title": title}
            lines = [row.name, str(row.said.get(code, "")), str(row.mend.get(code, ""))]
            text[code] = "\n\n".join(line[:ROOM] for line in lines if line)
    return subject, text
