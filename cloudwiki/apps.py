"""The project as an application, so that its system checks are found."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Holds no models; registers the checks."""

    name = "cloudwiki"

    def ready(self) -> None:
        """Register the system checks."""
        from cloudwiki import checks  # noqa: F401
