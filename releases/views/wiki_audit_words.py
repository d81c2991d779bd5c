"""What the audit log says of the wiki."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Final[dict[str, Promise]] = {
    "wiki.create": _("wrote a wiki page"),
    "wiki.save": _("changed a wiki page"),
    "wiki.restore": _("brought back an old text of a wiki page"),
    "wiki.move": _("moved a wiki page"),
    "wiki.archive": _("archived a wiki page"),
    "wiki.unarchive": _("took a wiki page out of the archive"),
    "wiki.import": _("imported a document into the wiki"),
}
