"""The one Django app of Cloud Wiki."""

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """Names the app; its checks and signals live elsewhere (there are no signals)."""

    name = "releases"
    verbose_name = "Cloud Wiki"

    def ready(self) -> None:
        """Arm the fault points where the fault tests asked for it."""
        from django.conf import settings

        from releases.remote import faults

        if settings.FAULT_POINTS:
            faults.arm(settings.CLOUDWIKI_DATA / "faults")
