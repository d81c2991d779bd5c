"""The forms of the wiki."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from releases.models import Project, WikiPage
from releases.models.wiki import LONGEST
from releases.risks.secrets_scanner import Found
from releases.views.secret_fields import scan_fields

TEXTS = ("title_ko", "title_en", "body_ko", "body_en")
_AREA = {"rows": 18, "spellcheck": "true", "class": "prose-field"}


class TextForm(forms.ModelForm[WikiPage]):
    """Title and text in both languages; one of them is enough."""

    insisted: list[Found] | None = None

    body_ko = forms.CharField(
        label=gettext_lazy("Text (Korean)"),
        required=False,
        max_length=LONGEST,
        strip=False,
        widget=forms.Textarea(attrs=_AREA),
    )
    body_en = forms.CharField(
        label=gettext_lazy("Text (English)"),
        required=False,
        max_length=LONGEST,
        strip=False,
        widget=forms.Textarea(attrs=_AREA),
    )
    note = forms.CharField(label=gettext_lazy("What changed"), required=False, max_length=300)
    base = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = WikiPage
        fields = ("title_ko", "title_en", "kind")

    field_order: Sequence[str] = ("title_ko", "title_en", "kind", "body_ko", "body_en", "note")

    def clean(self) -> dict[str, Any]:
        """A title in at least one language; no secrets."""
        values = super().clean() or {}
        if not values.get("title_ko") and not values.get("title_en") and not self.errors:
            self.add_error("title_ko", _("Give a title in Korean or in English."))
        self.insisted = scan_fields(self, {name: values.get(name) for name in (*TEXTS, "note")})
        return values

    def texts(self) -> dict[str, str]:
        """The four texts."""
        return {name: self.cleaned_data.get(name) or "" for name in TEXTS}


class PlaceForm(forms.ModelForm[WikiPage]):
    """Where a page is: its short name, the page above it, its place there."""

    class Meta:
        model = WikiPage
        fields = ("slug", "parent", "position")
        labels = {"parent": gettext_lazy("Below the page")}
        help_texts = {"slug": gettext_lazy("It stands in the address. An address it had keeps leading here.")}

    def __init__(self, *arguments: Any, pages: QuerySet[WikiPage], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["parent"].queryset = pages  # type: ignore[attr-defined]

    def validate_unique(self) -> None:
        """The verb knows better: it also minds the addresses that pages had."""


class NewPageForm(TextForm):
    """A page that is not there yet."""

    project = forms.ModelChoiceField(label=gettext_lazy("Project"), queryset=Project.objects.none())
    parent = forms.ModelChoiceField(
        label=gettext_lazy("Below the page"), queryset=WikiPage.objects.none(), required=False
    )
    slug = forms.SlugField(
        label=gettext_lazy("Short name"),
        max_length=120,
        allow_unicode=True,
        required=False,
        help_text=gettext_lazy("It stands in the address. Left empty, it is made from the title."),
    )
    field_order = ("project", "parent", "title_ko", "title_en", "kind", "slug", "body_ko", "body_en", "note")

    def __init__(self, *arguments: Any, projects: QuerySet[Project], pages: QuerySet[WikiPage], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]
        self.fields["parent"].queryset = pages  # type: ignore[attr-defined]
        del self.fields["note"]


class ImportForm(forms.Form):
    """A Markdown document, as a file or as text."""

    insisted: list[Found] | None = None

    project = forms.ModelChoiceField(label=gettext_lazy("Project"), queryset=Project.objects.none())
    file = forms.FileField(label=gettext_lazy("Markdown file"), required=False)
    text = forms.CharField(
        label=gettext_lazy("or its text"),
        required=False,
        strip=False,
        max_length=LONGEST * 4,
        widget=forms.Textarea(attrs={"rows": 10, "class": "prose-field"}),
    )

    def __init__(self, *arguments: Any, projects: QuerySet[Project], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.fields["project"].queryset = projects  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """`text` holds the document, wherever it came from."""
        values = super().clean() or {}
        file = values.get("file")
        if file is not None:
            if (file.size or 0) > LONGEST * 8:
                self.add_error("file", _("The file is too large; split the document."))
                return values
            try:
                values["text"] = bytes(file.read()).decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", _("The file is not UTF-8 text; save it as UTF-8."))
                return values
        if "\0" in values.get("text", ""):
            self.add_error("text", _("The text holds a zero byte, which can't be kept. Remove it."))
        elif not values.get("text", "").strip() and not self.errors:
            self.add_error("file", _("Choose a file, or paste the text."))
        self.insisted = scan_fields(self, {"text": values.get("text")})
        return values
