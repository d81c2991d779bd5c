"""The address on which the web server listens, and where others read it."""

import errno
import json
import os
import socket
from pathlib import Path

from cloudwiki.embedded import EmbeddedError

ATTEMPTS = 100  # ports tried after the first
BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen on the port, or on the next free one. Holding the socket ourselves leaves no moment for a race,
    and visitors wait instead of being refused while the web process is started again.

    Raises EmbeddedError when the host is not ours or no port in reach is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + ATTEMPTS, 65536)) if port else [0]:
        listener = socket.socket(family)
        try:
            # SO_REUSEADDR alone would let two listeners bind before either listens; listen() then refuses.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, candidate))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise EmbeddedError(
                    f"Cannot listen on {host} ({error.strerror}). Set CLOUDWIKI_HOST to an address of this machine."
                ) from error
        else:
            return listener
    raise EmbeddedError(f"No port from {port} to {port + ATTEMPTS - 1} is free. Set CLOUDWIKI_PORT to a free one.")


def address_of(listener: socket.socket) -> str:
    """What to type into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def write_web_file(data: Path, address: str) -> Path:
    """Tell other programs (`make demo`) where we are: data/web.json with address and pid of the supervisor."""
    path = data / "web.json"
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps({"address": address, "pid": os.getpid()}) + "\n")
    partial.replace(path)
    return path
