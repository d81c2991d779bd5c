"""The server-side request forgery guard of probes."""

import socket

import pytest

from releases.probes.addresses import (
    AddressRefused,
    NameUnknown,
    endpoint,
    look_up,
    parse_networks,
)

PUBLIC = "93.184.216.34"

# What an attacker writes, with what the name would resolve to.
NEVER = {
    "http://169.254.169.254/latest/meta-data/": None,
    "http://[fd00:ec2::254]/": None,
    "http://100.100.100.200/": None,
    "http://168.63.129.16/": None,
    "http://[::ffff:169.254.169.254]/": None,
    "http://[::ffff:a9fe:a9fe]/": None,
    "http://[64:ff9b::a9fe:a9fe]/": None,
    "http://[64:ff9b::7f00:1]/": None,
    "http://[2002:7f00:1::]/": None,
    "http://[2001:0:7f00:1::]/": None,
    "http://[::7f00:1]/": None,
    "http://0.0.0.0/": None,
    "http://0.1.2.3/": None,
    "http://[::]/": None,
    "http://[fe80::1]/": None,
    "http://[fe80::1%25eth0]/": None,
    "http://[ff02::1]/": None,
    "http://224.0.0.1/": None,
    "http://240.0.0.1/": None,
    "http://255.255.255.255/": None,
    "http://2852039166/": ["169.254.169.254"],
    "http://0xa9fea9fe/": ["169.254.169.254"],
    "http://0251.0376.0251.0376/": ["169.254.169.254"],
    "http://metadata.example/": ["169.254.169.254"],
    "http://two-faces.example/": [PUBLIC, "169.254.169.254"],
    "http://mapped.example/": ["::ffff:169.254.169.254"],
    "ftp://example.com/": [PUBLIC],
    "file:///etc/passwd": [PUBLIC],
    "gopher://example.com:70/": [PUBLIC],
    "//example.com/": [PUBLIC],
    "http:///health": [PUBLIC],
    "http://user:word@example.com/": [PUBLIC],
    "http://example.com\\@127.0.0.1/": [PUBLIC],
    "http://under_score.example.com/": [PUBLIC],
    "http://-dash.example.com/": [PUBLIC],
    "http://a..b.example.com/": [PUBLIC],
    "http://exa mple.com/": [PUBLIC],
    "http://example.com%00.evil.example/": [PUBLIC],
    "http://example.com:22/": [PUBLIC],
    "http://example.com:25/": [PUBLIC],
    "http://example.com:6379/": [PUBLIC],
    "http://example.com:5432/": [PUBLIC],
    "http://example.com:2375/": [PUBLIC],
    "http://example.com:11211/": [PUBLIC],
    "http://example.com:99999/": [PUBLIC],
    "http://example.com:x/": [PUBLIC],
    "http://[::1/": [PUBLIC],
}
INSIDE = {
    "http://127.0.0.1:8080/": None,
    "http://127.1.2.3:8080/": None,
    "http://[::1]:8080/": None,
    "http://[::ffff:127.0.0.1]:8080/": None,
    "http://10.0.0.5/": None,
    "http://172.16.0.1/": None,
    "http://192.168.1.1/": None,
    "http://100.64.0.1/": None,
    "http://[fd12:3456::1]/": None,
    "http://0177.0.0.1:8080/": ["127.0.0.1"],
    "http://2130706433:8080/": ["127.0.0.1"],
    "http://127.1:8080/": ["127.0.0.1"],
    "http://localhost:8080/": ["127.0.0.1", "::1"],
    "http://rebound.example/": [PUBLIC, "10.0.0.5"],
}
EVERYTHING = parse_networks(["0.0.0.0/0", "::/0"])


def resolved(addresses: list[str] | None):
    def lookup(name: str, port: int) -> list[str]:
        assert addresses is not None, f"{name} was looked up"
        return addresses

    return lookup


@pytest.mark.parametrize(("url", "addresses"), NEVER.items())
def test_it_is_refused_even_when_every_network_is_allowed(url, addresses):
    with pytest.raises(AddressRefused):
        endpoint(url, allowed=EVERYTHING, lookup=resolved(addresses))


@pytest.mark.parametrize(("url", "addresses"), INSIDE.items())
def test_it_refuses_what_is_inside(url, addresses):
    with pytest.raises(AddressRefused, match="private or local"):
        endpoint(url, lookup=resolved(addresses))


@pytest.mark.parametrize(("url", "addresses"), INSIDE.items())
def test_it_takes_what_is_inside_when_the_setting_allows_it(url, addresses):
    assert endpoint(url, allowed=EVERYTHING, lookup=resolved(addresses)).address


def test_it_takes_the_address_of_an_own_host_but_not_its_neighbour():
    near = frozenset({"10.0.0.5", "app.internal"})
    assert endpoint("http://10.0.0.5:8080/", near=near).address == "10.0.0.5"
    assert endpoint("http://APP.internal/", near=near, lookup=resolved(["10.0.0.9"])).address == "10.0.0.9"
    with pytest.raises(AddressRefused):
        endpoint("http://10.0.0.6:8080/", near=near)


def test_it_never_takes_the_metadata_service_as_an_own_host():
    with pytest.raises(AddressRefused, match="metadata"):
        endpoint("http://169.254.169.254/", near=frozenset({"169.254.169.254"}))


def test_it_resolves_once_and_hands_over_the_checked_address():
    asked = []

    def lookup(name: str, port: int) -> list[str]:
        asked.append((name, port))
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    place = endpoint("https://example.com/health", lookup=lookup)
    assert (place.scheme, place.name, place.address, place.port) == ("https", "example.com", PUBLIC, 443)
    assert asked == [("example.com", 443)]


def test_it_takes_a_public_address_and_a_name_of_another_script():
    assert endpoint("http://93.184.216.34:8080/").port == 8080
    assert endpoint("https://한국.example/", lookup=resolved([PUBLIC])).address == PUBLIC


def test_it_tells_a_name_that_does_not_exist():
    with pytest.raises(NameUnknown) as caught:
        endpoint("http://nothing.example/", lookup=resolved([]))
    assert not caught.value.temporary


def test_the_resolver_gives_the_addresses_of_localhost():
    assert {"127.0.0.1", "::1"} & set(look_up("localhost", 80))


def test_a_resolver_without_an_answer_is_told_apart(monkeypatch):
    def refuse(*_arguments, **_options):
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(NameUnknown) as caught:
        look_up("example.com", 80)
    assert caught.value.temporary


def test_a_wrong_network_in_the_setting_is_named():
    with pytest.raises(ValueError, match=r"10\.0\.0/40"):
        parse_networks(["10.0.0/40"])
