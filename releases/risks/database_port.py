"""Whether a database port of a host takes connections from elsewhere, as seen from the controller."""

import socket

from django.utils.translation import gettext_lazy as _

from releases.probes.addresses import AddressRefused, NameUnknown, host_address, is_public
from releases.risks.consent import looks_of
from releases.risks.finding import CannotLook, Check, Does, Finding, Line, Said, Target, line, not_known, ok, risk, say
from releases.risks.places import hosts
from releases.risks.ways import Ways

SECONDS = 3.0  # for each connection


def does(target: Target) -> list[Does]:
    """The connections that are tried."""
    assert target.host is not None  # noqa: S101 - targets are hosts
    ports = [*looks_of(target.host).ports, target.host.port]  # the last one tells whether the host is there at all
    return [Does("controller", Said(f"TCP connect {target.host.address}:{port} ({SECONDS:g} s)")) for port in ports]


def look(target: Target, _ways: Ways) -> Finding:
    """Try to connect to each port; nothing is sent."""
    assert target.host is not None  # noqa: S101 - targets are hosts
    name = target.host.address
    try:
        address = host_address(name, 5432)
    except AddressRefused as error:
        raise CannotLook(say(_("%(address)s is not asked: %(why)s."), address=name, why=error)) from error
    except NameUnknown as error:
        raise CannotLook(say(_("The name %(name)s is not known."), name=name)) from error
    if address.is_loopback:
        return not_known(
            say(_("The host is this server itself, so how it looks from outside can't be seen from here.")),
            say(_("Have a firewall let nobody else reach its database port.")),
        )
    if not looks_of(target.host).ports:
        return not_known(say(_("No database port is named for this host.")))
    answers = {port: _tried(str(address), port) for port in looks_of(target.host).ports}
    seen = [line(f"{address}:{port}", said) for port, (_answered, said) in answers.items()]
    if not any(answered for answered, _said in answers.values()) and not _tried(str(address), target.host.port)[0]:
        raise CannotLook(say(_("%(address)s answers on no port, so it says nothing about its database."), address=name))
    return _judged(
        [port for port, (answered, _said) in answers.items() if answered == "open"], seen, is_public(address)
    )


def _judged(opened: list[int], seen: list[Line], public: bool) -> Finding:
    where = say(_("the internet")) if public else say(_("a private network"))
    evidence = (*seen, line(_("The address is part of"), where))
    if not opened:
        return ok(say(_("No database port takes connections from here.")), *evidence)
    return risk(
        say(_("The database port takes connections from outside the host: %(ports)s."), ports=_list(opened)),
        say(
            _(
                "Set listen_addresses = 'localhost' in postgresql.conf and restart PostgreSQL, or close the port in the"
                " firewall or security group."
            )
        ),
        *evidence,
    )


def _tried(address: str, port: int) -> tuple[str, Said]:
    """What came back, "" for nothing, and the same in words."""
    try:
        with socket.create_connection((address, port), SECONDS):
            return "open", say(_("takes connections"))
    except ConnectionRefusedError:
        return "closed", say(_("refuses connections"))
    except TimeoutError:
        return "", say(_("does not answer"))
    except OSError as error:
        raise CannotLook(say(_("%(address)s can't be reached: %(why)s."), address=address, why=error)) from error


def _list(ports: list[int]) -> str:
    return ", ".join(str(port) for port in ports)


CHECK = Check("database_port", _("Database port"), ("public_database", "explaining"), hosts, does, look, on_host=True)
