"""The TLS certificate of a server: how long it lasts, whether it is for this name, and who vouches for it."""

import socket
import ssl
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from django.utils.translation import gettext_lazy as _

from releases.models import Project
from releases.probes.addresses import Endpoint
from releases.risks.finding import CannotLook, Check, Does, Finding, Said, Target, line, ok, risk, say, warning
from releases.risks.ways import Ways
from releases.risks.webs import SECONDS, resolved, servers

WARN_DAYS, BAD_DAYS = 21, 7
# OpenSSL's numbers (x509_vfy.h) of what is wrong with a chain.
SELF_SIGNED, WRONG_NAME = {18, 19, 20, 21}, {62, 64}
_MEND: Final = _("Renew it (`sudo certbot renew`), load it (`sudo nginx -s reload`), and see that a timer does so.")


def targets(project: Project) -> list[Target]:
    """Each server that speaks HTTPS."""
    return [one for one in servers(project) if str(one.subject).startswith("https:")]


def does(target: Target) -> list[Does]:
    """A TLS handshake."""
    return [Does("controller", Said(f"TLS handshake {target.subject} ({SECONDS:g} s)"))]


def look(target: Target, ways: Ways) -> Finding:
    """A handshake that trusts everybody shows the certificate; another, strict one says what is wrong with it."""
    assert target.environment is not None  # noqa: S101 - targets are servers of environments
    place = resolved(str(target.subject), target.environment)
    shown = _shown(place)
    days = (shown.not_valid_after_utc - ways.now).days
    seen = (
        line(_("For"), _names(shown)),
        line(_("Issued by"), shown.issuer.rfc4514_string()),
        line(_("Valid until"), f"{shown.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"),
        line("SHA-256", shown.fingerprint(SHA256()).hex()[:32]),
    )
    wrong = _wrong(place, ways.now, shown)
    if wrong:
        return risk(wrong, say(_MEND), *seen)
    said = say(_("The certificate lasts %(n)s more days."), n=days)
    if days < BAD_DAYS:
        return risk(said, say(_MEND), *seen)
    if days < WARN_DAYS:
        return warning(said, say(_MEND), *seen)
    return ok(said, *seen)


def _wrong(place: Endpoint, now: datetime, shown: x509.Certificate) -> Said | None:
    if shown.not_valid_after_utc <= now:
        return say(_("The certificate has expired."))
    trouble = _verified(place)
    if trouble is None:
        return None
    if trouble.verify_code in WRONG_NAME:
        return say(_("The certificate is not for %(name)s."), name=place.name)
    if trouble.verify_code in SELF_SIGNED:
        return say(_("Nobody vouches for the certificate: it is self-signed, or its chain is not whole."))
    return say(_("The certificate is refused: %(why)s."), why=trouble.verify_message)


def _shown(place: Endpoint) -> x509.Certificate:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent; what is wrong with it is asked next
    try:
        with _connected(place) as sock, context.wrap_socket(sock, server_hostname=place.name) as tls:
            raw = tls.getpeercert(binary_form=True)
    except OSError as error:
        raise CannotLook(say(_("No TLS connection to %(name)s: %(why)s."), name=place.name, why=error)) from error
    if not raw:
        raise CannotLook(say(_("%(name)s shows no certificate."), name=place.name))
    try:
        return x509.load_der_x509_certificate(raw)
    except ValueError as error:
        raise CannotLook(say(_("The certificate can't be read: %(why)s."), why=error)) from error


def _verified(place: Endpoint) -> ssl.SSLCertVerificationError | None:
    """Why a browser would refuse it. Raises CannotLook when it did not answer the second time."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as browsers: an old authority lacks this or that extension
    try:
        with _connected(place) as sock, context.wrap_socket(sock, server_hostname=place.name):
            return None
    except ssl.SSLCertVerificationError as error:
        return error
    except OSError as error:
        raise CannotLook(say(_("No TLS connection to %(name)s: %(why)s."), name=place.name, why=error)) from error


def _connected(place: Endpoint) -> socket.socket:
    return socket.create_connection((place.address, place.port), SECONDS)


def _names(shown: x509.Certificate) -> str:
    try:
        extension = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return ", ".join(str(one.value) for one in extension.value)[:300]
    except (x509.ExtensionNotFound, ValueError):
        return ", ".join(str(one.value) for one in shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME))[:300]


CHECK = Check("certificate", _("TLS certificate"), ("tls",), targets, does, look)
