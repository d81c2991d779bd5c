"""What can go wrong between the controller and a machine, each with what to do about it.

This layer knows no Django: `code` is for upper layers to translate by, `message` and `mend` are plain English.
"""

from __future__ import annotations

from typing import ClassVar


class RemoteError(Exception):
    """Base of all errors of this package. `str(error)` is the message, `.mend` says what a person can do."""

    code: ClassVar[str] = "remote_error"
    mend: str = "Read the message; if it does not help, look at the SSH service's log on the machine."

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        if mend:
            self.mend = mend


class HostUnreachable(RemoteError):
    code = "host_unreachable"
    mend = "Check that the machine is up, and that its address, port and firewall let this server in."


class HostKeyNotPinned(RemoteError):
    code = "host_key_not_pinned"
    mend = "Open the host's page, compare the fingerprint with the machine's own, and confirm it."


class HostKeyChanged(RemoteError):
    """The machine showed another key than the pinned one. Nothing was sent to it, not even a login."""

    code = "host_key_changed"
    mend = (
        "If the machine was reinstalled, compare the new fingerprint on the machine itself and pin it again. "
        "If not, somebody may be answering in its place: do not deploy, and tell whoever runs the network."
    )


class AuthenticationFailed(RemoteError):
    code = "authentication_failed"
    mend = "Add this server's public key to ~/.ssh/authorized_keys of that user on the machine."


class KeyUnreadable(RemoteError):
    code = "key_unreadable"
    mend = "Give the path of an unencrypted OpenSSH private key which this service may read (mode 0600)."


class ConnectionLost(RemoteError):
    """The connection broke. What runs on the machine under the step wrapper goes on; attach to it again."""

    code = "connection_lost"
    mend = "Nothing to do at once: it is tried again. If it goes on, check the network and the machine."


class ClientLost(ConnectionLost):
    """The OpenSSH client's own connection broke, or never was: where nothing was heard yet, another way may work."""


class SessionRefused(RemoteError):
    code = "session_refused"
    mend = "Raise MaxSessions in the machine's sshd_config, or run fewer steps there side by side."


class InvalidStep(RemoteError, ValueError):
    code = "invalid_step"
    mend = "Correct the runbook's step or the value that the message names."


class ToolMissing(RemoteError):
    code = "tool_missing"
    mend = "Install the named tool on the machine (coreutils, util-linux, findutils, tar; or BusyBox)."


class NoSpace(RemoteError):
    code = "no_space"
    mend = "Free some space on the machine's disk, then try again. What was there before is untouched."


class TransferFailed(RemoteError):
    code = "transfer_failed"
    mend = "Try again. What was there before is untouched."


class TransferDiffers(TransferFailed):
    """Something else arrived than was to be sent: either side's file changed, or the way damaged it."""


class SourceChanged(TransferDiffers):
    """The file here does not hold what it should, or changed while it was sent."""


class TransferStopped(RemoteError):
    code = "transfer_stopped"
    mend = "What was there before is untouched. The same attempt goes on where it stopped."
