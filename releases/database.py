"""What it means to a worker that the database does not answer, or has ended the session."""

from typing import Final

from django.db import InterfaceError, InternalError, OperationalError

# The work is not done, and may be tried again from the rows over a new connection. PostgreSQL calls it internal when
# it ends a session whose transaction rests (settings.IDLE_IN_TRANSACTION_SECONDS): its client was frozen, or is gone.
AWAY: Final = (OperationalError, InterfaceError, InternalError)
