"""Whether root, or anybody with a password, may log in by SSH: by the server's own settings and as it offers itself."""

import socket
from typing import Final

import paramiko
from django.utils.translation import gettext_lazy as _

from releases.models import Host, HostLooks
from releases.risks.finding import CannotLook, Check, Does, Finding, Said, Target, line, not_known, ok, risk, say
from releases.risks.finding import warning as warn
from releases.risks.places import hosts
from releases.risks.shell import asks, host_of
from releases.risks.ways import Ways

SECONDS: Final = 5.0
STRANGER: Final = "192.0.2.1"  # an address that belongs to nobody (RFC 5737)
TEXT: Final = (
    'for sshd in /usr/sbin/sshd /usr/local/sbin/sshd /usr/bin/sshd; do [ -x "$sshd" ] && break; done\n'
    f"asked='-T -C user=root,host=localhost,addr={STRANGER}'\n"
    'sudo -n "$sshd" $asked 2>/dev/null || "$sshd" $asked 2>/dev/null ||\n'
    "{ echo 'by its files'; cat /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config 2>/dev/null; }\n"
)
WORDS: Final = ("permitrootlogin", "passwordauthentication", "kbdinteractiveauthentication")
DEFAULTS: Final = dict(zip(WORDS, ("prohibit-password", "yes", "yes"), strict=True))


def text(_looks: HostLooks) -> str:
    """The question."""
    return TEXT


def does(target: Target) -> list[Does]:
    """A greeting from the controller, and the question."""
    host = host_of(target)
    greeting = f"ssh -o PreferredAuthentications=none {host.user}@{host.address} -p {host.port}"
    return [Does("controller", Said(greeting)), *asks(text)(target)]


def look(target: Target, ways: Ways) -> Finding:
    """Compare what the server offers with what it is set to."""
    host = host_of(target)
    offered = _offered(host)
    try:
        settings, trouble = _settings(ways.ask(host, TEXT)), None
    except CannotLook as found:
        settings, trouble = {}, found.said
    seen = [line(_("Offered to a stranger"), ", ".join(offered))]
    seen += [line(word, settings[word]) for word in WORDS if word in settings]
    passwords = {"password", "keyboard-interactive"} & set(offered) or "yes" in map(settings.get, WORDS[1:])
    root = settings.get("permitrootlogin", "")
    if passwords or root == "yes":
        what = say(_("Passwords are taken at the SSH login.")) if passwords else say(_("root may log in by SSH."))
        return risk(what, _mend(), *seen)
    if trouble or not root:
        why = trouble or say(_("The settings of the SSH server could not be read."))
        return not_known(why, say(_("Let the login run `sudo sshd -T`, or read /etc/ssh/sshd_config.")), *seen)
    if root != "no":
        return warn(say(_("root may log in by SSH with a key.")), _mend(), *seen)
    return ok(say(_("Neither root nor passwords get in by SSH.")), *seen)


def _mend() -> Said:
    return say(
        _(
            "In /etc/ssh/sshd_config: PermitRootLogin no, PasswordAuthentication no, KbdInteractiveAuthentication no;"
            " then `sudo systemctl reload ssh`."
        )
    )


def _offered(host: Host) -> list[str]:
    """How a stranger may prove who they are; nothing is tried. Raises CannotLook."""
    try:
        with socket.create_connection((host.address, host.port), SECONDS) as sock:
            transport = paramiko.Transport(sock)
            try:
                transport.banner_timeout = transport.auth_timeout = SECONDS
                transport.start_client(timeout=SECONDS)
                transport.auth_none(host.user)
            finally:
                transport.close()
    except paramiko.BadAuthenticationType as refused:
        return sorted(refused.allowed_types)
    except (paramiko.SSHException, EOFError, OSError) as error:
        said = say(_("The SSH server could not be asked: %(why)s."), why=error or type(error).__name__)
        raise CannotLook(said) from error
    return ["none"]


def _settings(said: str) -> dict[str, str]:
    """What the server is set to. Of its files the first word of each counts; with conditions in them, nothing does."""
    rows = [row.strip().split(None, 1) for row in said.splitlines()]
    pairs = [(row[0].lower(), row[1].strip().lower()) for row in rows if len(row) == 2 and not row[0].startswith("#")]
    found: dict[str, str] = {}
    for word, value in pairs:
        found.setdefault(word, value)
    if said.startswith("by its files"):
        if len(pairs) < 2 or "match" in found:
            return {}
        found = DEFAULTS | found
    return {word: found[word] for word in WORDS if word in found}


CHECK = Check("ssh_login", _("SSH login"), ("boundary",), hosts, does, look, on_host=True)
