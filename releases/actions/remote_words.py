"""Errors of the remote layer in the reader's language: that layer speaks plain English and knows no gettext.

The first part of a sentence is translated by the error's code; the English message follows as the detail, since it
holds what the machine itself said; then what to do about it.
"""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from releases.remote.errors import RemoteError

_WORDS: Final[dict[str, tuple[Promise, Promise]]] = {
    "remote_error": (
        _("The machine could not be worked with."),
        _("Read the message; if it does not help, look at the SSH service's log on the machine."),
    ),
    "host_unreachable": (
        _("The host can't be reached."),
        _("Check that the machine is up, and that its address, port and firewall let this server in."),
    ),
    "host_key_not_pinned": (
        _("The host key is not pinned."),
        _("Open the host's page, compare the fingerprint with the machine's own, and confirm it."),
    ),
    "host_key_changed": (
        _("The host shows another key than the pinned one."),
        _(
            "If the machine was reinstalled, compare the new fingerprint on the machine itself and pin it again. "
            "If not, somebody may be answering in its place: do not deploy, and tell whoever runs the network."
        ),
    ),
    "authentication_failed": (
        _("The host refused the login."),
        _("Add this server's public key to ~/.ssh/authorized_keys of that user on the machine."),
    ),
    "key_unreadable": (
        _("This server's private key can't be read."),
        _("Give the path of an unencrypted OpenSSH private key which this service may read (mode 0600)."),
    ),
    "connection_lost": (
        _("The connection broke."),
        _("Nothing to do at once: it is tried again. If it goes on, check the network and the machine."),
    ),
    "session_refused": (
        _("The host allows no further session."),
        _("Raise MaxSessions in the machine's sshd_config, or run fewer steps there side by side."),
    ),
    "invalid_step": (
        _("The step can't be sent as it is."),
        _("Correct the runbook's step or the value that the message names."),
    ),
    "tool_missing": (
        _("A tool is missing on the machine."),
        _("Install the named tool on the machine (coreutils, util-linux, findutils, tar; or BusyBox)."),
    ),
    "no_space": (
        _("There is no room on the machine's disk."),
        _("Free some space on the machine's disk, then try again. What was there before is untouched."),
    ),
    "transfer_failed": (
        _("The transfer failed."),
        _("Try again. What was there before is untouched."),
    ),
    "transfer_stopped": (
        _("The transfer was stopped."),
        _("What was there before is untouched. The same attempt goes on where it stopped."),
    ),
}
# What some errors advise in place of the usual.
_SPECIAL: Final[dict[str, Promise]] = {
    "Check that the login user may write there and that the disk has room.": _(
        "Check that the login user may write there and that the disk has room."
    ),
    "If files of the folder are being written, wait until that is over. What was there is untouched.": _(
        "If files of the folder are being written, wait until that is over. What was there is untouched."
    ),
}


def told(error: RemoteError) -> str:
    """What went wrong and what to do about it, in the language active now."""
    summary, usual = _WORDS.get(error.code, _WORDS["remote_error"])
    special = "" if error.mend == type(error).mend else _SPECIAL.get(error.mend) or error.mend
    mend = special or usual
    return f"{summary} ({error.message.rstrip('.')}) {mend}".strip()
