"""The one Django app of Cloud Wiki."""

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    """Names the app; its checks and signals live elsewhere (there are no signals)."""

    name = "releases"
    verbose_name = "Cloud Wiki"
