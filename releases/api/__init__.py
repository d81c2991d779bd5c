"""REST, for scripts: the same permissions, gate and verbs as the pages."""

from releases.api.router import api

__all__ = ["api"]
