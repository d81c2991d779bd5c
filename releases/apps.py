"""The one Django app of Cloud Wiki."""

from django.apps import AppConfig
from django.db.models import fields
from django.utils.translation import gettext_lazy


class ReleasesConfig(AppConfig):
    """Names the app; its checks and signals live elsewhere (there are no signals)."""

    name = "releases"
    verbose_name = "Cloud Wiki"

    def ready(self) -> None:
        """Words of our own for a list where nothing is chosen: Django's have no Korean. Fault points where armed."""
        from django.conf import settings

        from releases.remote import faults

        fields.BLANK_CHOICE_LABEL = gettext_lazy("Choose one")
        if settings.FAULT_POINTS:
            faults.arm(settings.CLOUDWIKI_DATA / "faults")
