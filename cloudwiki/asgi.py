"""What the web server runs: static files, then Django."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cloudwiki.settings")
_django = get_asgi_application()

from cloudwiki.shutdown import chain_signals  # noqa: E402
from cloudwiki.static_files import StaticFiles  # noqa: E402  (needs settings)

application = StaticFiles(_django)
# The server imports this module after it has set its own signal handlers, so ours come first.
chain_signals()
