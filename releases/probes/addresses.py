"""Which addresses the controller may be made to connect to (server-side request forgery guard).

The name is resolved once, every address it has is checked, and the connection goes to a checked address:
there is no second look-up that could answer differently. Redirects are not followed.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], list[str]]

# Answering services of clouds that hand out credentials; some lie in public or private ranges.
METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254",
        "fd00:ec2::23", "fd20:ce::254",
    )
)  # fmt: skip
# Ranges that carry an IPv4 address inside: they could lead anywhere, so they lead nowhere.
TUNNELS: Final = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
LOW_PORTS: Final = frozenset({80, 81, 443, 591, 593, 832, 981})
# Services that are not HTTP but would read what we send.
OTHER_SERVICES: Final = frozenset(
    {1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5433, 5672, 5900, 5984, 6000, 6379, 6380,
     6432, 6443, 6666, 6667, 8086, 9042, 9092, 10250, 10255, 11211, 27017, 27018, 50070}
)  # fmt: skip
NAME: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?\Z")


class AddressRefused(Exception):
    """The controller does not connect there. The text says which rule refused it."""


class NameUnknown(Exception):
    """The name does not exist. `temporary` is true when the resolver itself did not answer."""

    def __init__(self, name: str, *, temporary: bool) -> None:
        super().__init__(name)
        self.temporary = temporary


@dataclass(frozen=True)
class Endpoint:
    """A checked place to connect to: an address, and the name for the Host header and for TLS."""

    scheme: str
    name: str
    address: str
    port: int


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from a setting such as ["10.0.0.0/8"]; raises ValueError naming the wrong one."""
    return tuple(ipaddress.ip_network(text.strip()) for text in texts if text.strip())


def look_up(name: str, port: int) -> list[str]:
    """Every address of a name, by the system's resolver; raises NameUnknown."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NameUnknown(name, temporary=error.errno == socket.EAI_AGAIN) from error
    except UnicodeError as error:
        raise AddressRefused("the host name is not valid") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def endpoint(
    url: str, *, near: frozenset[str] = frozenset(), allowed: tuple[Network, ...] = (), lookup: Lookup = look_up
) -> Endpoint:
    """Resolve a probe's URL and check every address; raises AddressRefused or NameUnknown.

    `near` are the addresses (as entered) of the environment's hosts, `allowed` the networks of the setting.
    """
    scheme, name, port = _parts(url)
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in _addresses(name, port, lookup)]
    if not addresses:
        raise NameUnknown(name, temporary=False)
    own = {text.strip("[]").lower() for text in near}
    for address in addresses:
        _refuse_never(address)
        if _is_inside(address) and not (name in own or str(address) in own or _within(address, allowed)):
            raise AddressRefused(f"{address} is a private or local address")
    return Endpoint(scheme, name, str(addresses[0]), port)


def require_open(text: str, allowed: tuple[Network, ...] = ()) -> None:
    """Raise AddressRefused unless the controller may connect to this address (no name)."""
    address = ipaddress.ip_address(text.partition("%")[0])
    _refuse_never(address)
    if _is_inside(address) and not _within(address, allowed):
        raise AddressRefused(f"{address} is a private or local address")


def host_address(name: str, port: int, lookup: Lookup = look_up) -> Address:
    """The address of a host of ours, which may be a private one; raises AddressRefused or NameUnknown."""
    addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in _addresses(name.strip("[]"), port, lookup)]
    for address in addresses:
        _refuse_never(address)
    if not addresses:
        raise NameUnknown(name, temporary=False)
    return addresses[0]


def is_public(address: Address) -> bool:
    """Part of the public internet."""
    return not _is_inside(address)


def _parts(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("the address cannot be read") from error
    if parts.scheme not in {"http", "https"}:
        raise AddressRefused("only http and https are asked")
    if parts.username is not None or parts.password is not None or "\\" in url:
        raise AddressRefused("a login in the address is not allowed")
    name = (parts.hostname or "").lower()
    if not (_literal(name) or NAME.match(_ascii(name))):
        raise AddressRefused("the host name is not valid")
    port = port if port is not None else {"http": 80, "https": 443}[parts.scheme]
    if port in OTHER_SERVICES or (port < 1024 and port not in LOW_PORTS):
        raise AddressRefused(f"port {port} does not belong to a web service")
    return parts.scheme, name, port


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return ""


def _literal(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _addresses(name: str, port: int, lookup: Lookup) -> list[str]:
    return [name] if _literal(name) else lookup(name, port)


def _refuse_never(address: Address) -> None:
    inner = _unmapped(address)
    if inner in METADATA:
        raise AddressRefused(f"{address} is a cloud's metadata service")
    if inner.is_link_local or inner.is_multicast or inner.is_unspecified:
        raise AddressRefused(f"{address} is a link-local, multicast or empty address")
    if inner.version == 4 and (inner in ipaddress.ip_network("0.0.0.0/8") or inner.is_reserved):
        raise AddressRefused(f"{address} is a reserved address")
    if inner.version == 6 and not inner.is_loopback and _within(inner, TUNNELS):
        raise AddressRefused(f"{address} leads through a tunnel")


def _unmapped(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_inside(address: Address) -> bool:
    """Not part of the public internet."""
    return not _unmapped(address).is_global


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    inner = _unmapped(address)
    return any(inner.version == network.version and inner in network for network in networks)
