"""Pages of Markdown beside the live ones. What a page said before is kept as it was."""

import pgtrigger
from django.core.validators import MinLengthValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from releases.models.choices import in_reader_language, one_of
from releases.models.history import append_only
from releases.models.text_index import text_indexes

LONGEST = 100_000  # characters of one text of a page


class WikiPage(models.Model):
    """A page of a project. It holds its newest text; `number` is the revision that brought it."""

    class Kind(models.TextChoices):
        """What a page is about; a sign beside its title."""

        PAGE = "page", _("Page")
        ARCHITECTURE = "architecture", _("Architecture")
        CONTACTS = "contacts", _("Contacts")
        ON_CALL = "on_call", _("On call")
        GLOSSARY = "glossary", _("Glossary")

    project = models.ForeignKey("releases.Project", on_delete=models.PROTECT, related_name="wiki_pages")
    slug = models.SlugField(_("short name"), max_length=120, allow_unicode=True, validators=[MinLengthValidator(1)])
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    position = models.PositiveSmallIntegerField(_("place among its neighbours"), default=0)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind, default=Kind.PAGE)
    number = models.PositiveIntegerField(default=1, help_text="of the newest revision")
    title_ko = models.CharField(_("title (Korean)"), max_length=200, blank=True)
    title_en = models.CharField(_("title (English)"), max_length=200, blank=True)
    body_ko = models.TextField(_("text (Korean)"), blank=True)
    body_en = models.TextField(_("text (English)"), blank=True)
    archived_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "slug"], name="wiki_slug_once"),
            one_of("kind", ["page", "architecture", "contacts", "on_call", "glossary"], "wiki_kind_known"),
            models.CheckConstraint(condition=~models.Q(title_ko="", title_en=""), name="wiki_page_has_title"),
        ]
        indexes = text_indexes("wiki", "title_ko", "title_en", "body_ko", "body_en")

    def __str__(self) -> str:
        return self.title_ko or self.title_en

    def title(self) -> str:
        """The title in the reader's language; the other one where that is missing."""
        return in_reader_language(self.title_ko, self.title_en)

    def body(self) -> str:
        """The text in the reader's language; the other one where that is missing."""
        return in_reader_language(self.body_ko, self.body_en)


class WikiRevision(models.Model):
    """One wording of a page, never changed."""

    page = models.ForeignKey(WikiPage, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    title_ko = models.CharField(max_length=200, blank=True)
    title_en = models.CharField(max_length=200, blank=True)
    body_ko = models.TextField(blank=True)
    body_en = models.TextField(blank=True)
    note = models.CharField(_("what changed"), max_length=300, blank=True)
    created_by = models.ForeignKey("releases.User", null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["page", "number"], name="wiki_revision_once")]
        triggers: list[pgtrigger.Trigger] = append_only("wiki_revision")

    def __str__(self) -> str:
        return f"{self.page} r{self.number}"

    def title(self) -> str:
        """The title in the reader's language."""
        return in_reader_language(self.title_ko, self.title_en)

    def body(self) -> str:
        """The text in the reader's language."""
        return in_reader_language(self.body_ko, self.body_en)


class WikiRedirect(models.Model):
    """An address that a page had; whoever follows an old link comes to where it is now."""

    project = models.ForeignKey("releases.Project", on_delete=models.PROTECT, related_name="+")
    slug = models.SlugField(max_length=120, allow_unicode=True)
    page = models.ForeignKey(WikiPage, on_delete=models.PROTECT, related_name="old_addresses")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="wiki_redirect_once")]

    def __str__(self) -> str:
        return self.slug
