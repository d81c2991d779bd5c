"""Checks of what is reached from this server: certificates, redirects, open AI endpoints; on real sockets."""

import errno
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from releases.models import GpuAccount, GpuSettings, Host, Probe, Variable
from releases.risks import https_redirect
from tests.engine.risks.looks import look, seen, targets, told
from tests.factories import World, make_world

Serve = Callable[..., int]


@pytest.fixture
def world(db: None) -> World:
    return make_world()


class Authority:
    """A certificate authority of this test alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.sign("Test CA", self.key, days=3650, is_authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, days: float, is_authority: bool = False, own: bool = False
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = subject if is_authority or own else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if not is_authority:
            alternative = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
            builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        signer = key if is_authority or own else self.key
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        return builder.add_extension(authority, critical=False).sign(signer, hashes.SHA256())

    def files(self, days: float, name: str = "127.0.0.1", own: bool = False) -> Path:
        """One file with a key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self.folder / f"{name}-{days}-{own}.pem"
        pem = serialization.Encoding.PEM
        plain = serialization.NoEncryption()
        made.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
        with made.open("ab") as file:
            file.write(self.sign(name, key, days, own=own).public_bytes(pem))
        return made


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    found = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(found.file))
    return found


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(status, location, certificate=file)`: the port of a server that answers so."""
    with ExitStack() as stack:

        def started(status: int = 200, location: str = "", certificate: Path | None = None, key: str = "") -> int:
            class Answers(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    refused = key and self.headers.get("Authorization") != f"Bearer {key}"
                    self.send_response(401 if refused else status)
                    if location:
                        self.send_header("Location", location)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

                def log_message(self, *arguments: object) -> None:
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            return int(server.server_address[1])

        yield started


def ask_at(world: World, url: str) -> None:
    Probe.objects.all().delete()
    Probe.objects.create(environment=world.environment, service=world.project.services.get(), url=url)


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [(90, "ok", "lasts"), (20, "warning", "lasts"), (6, "risk", "lasts"), (-1, "risk", "expired")],
)
def test_a_certificate_near_its_end(
    world: World, authority: Authority, serve: Serve, days: float, state: str, words: str
) -> None:
    ask_at(world, f"https://127.0.0.1:{serve(certificate=authority.files(days))}/health")
    found = look("certificate", world.project)
    assert found.seen == state, told(found)
    assert words in told(found) and "CN=Test CA" in told(found)


def test_a_certificate_for_another_name_or_by_nobody(world: World, authority: Authority, serve: Serve) -> None:
    ask_at(world, f"https://127.0.0.1:{serve(certificate=authority.files(90, 'shop.example'))}/")
    found = look("certificate", world.project)
    assert found.seen == "risk" and "not for 127.0.0.1" in told(found)
    ask_at(world, f"https://127.0.0.1:{serve(certificate=authority.files(90, own=True))}/")
    found = look("certificate", world.project)
    assert found.seen == "risk" and "Nobody vouches" in told(found)


def test_no_tls_there_is_not_known(world: World, authority: Authority, serve: Serve) -> None:
    ask_at(world, f"https://127.0.0.1:{serve()}/")
    assert seen("certificate", world.project) == "not_known"
    ask_at(world, "https://127.0.0.1:9/")
    assert seen("certificate", world.project) == "not_known"


@pytest.mark.parametrize("url", ["https://169.254.169.254/latest", "https://10.9.9.9/", "https://[fd00:ec2::254]/"])
def test_other_peoples_machines_are_not_asked(world: World, url: str) -> None:
    ask_at(world, url)
    found = look("certificate", world.project)
    assert found.seen == "not_known" and "is not asked" in told(found)
    assert seen("https_redirect", world.project) == "not_known"


def test_a_redirect_to_https(world: World, serve: Serve) -> None:
    ask_at(world, f"http://127.0.0.1:{serve(301, 'https://shop.example/')}/health")
    assert seen("https_redirect", world.project) == "ok"
    ask_at(world, f"http://127.0.0.1:{serve(301, 'http://shop.example/')}/health")
    assert seen("https_redirect", world.project) == "warning"  # a plain address inside
    Host.objects.update(address="localhost.localdomain")
    ask_at(world, f"http://127.0.0.1:{serve()}/health")
    assert seen("https_redirect", world.project) == "not_known"  # no host of the project


def test_no_way_there_is_not_the_same_as_nothing_there(
    world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_at(world, f"http://127.0.0.1:{serve()}/health")

    async def no_route(*_arguments: object) -> httpx.Response:
        raise httpx.ConnectError("no route") from OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr(https_redirect, "_asked", no_route)
    assert seen("https_redirect", world.project) == "not_known"


def test_nothing_without_encryption_is_in_order(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        ask_at(world, f"http://127.0.0.1:{taken.getsockname()[1]}/health")
        assert seen("https_redirect", world.project) == "ok"


def test_each_server_is_one_target(world: World) -> None:
    ask_at(world, "https://shop.example/health")
    for name, url in {
        "a": "https://shop.example/other",
        "b": "https://shop.example:8443/",
        "c": "http://localhost/",
    }.items():
        Variable.objects.create(environment=world.environment, name=f"{name}_url", type="url", value=url)
    assert [one.subject for one in targets("certificate", world.project)] == [
        "https://shop.example",
        "https://shop.example:8443",
    ]


def test_an_ai_server_without_a_key(world: World, serve: Serve) -> None:
    account = GpuAccount.objects.create(
        project=world.project, name="vllm", provider="self_hosted", data_url=f"http://127.0.0.1:{serve()}/v1"
    )
    assert targets("open_endpoint", world.project) == []
    GpuSettings.objects.create(environment=world.environment, account=account)
    found = look("open_endpoint", world.project)
    assert found.seen == "risk" and "/v1/models: 200" in told(found)
    for port, state in ((serve(key="secret"), "ok"), (serve(503), "not_known"), (9, "not_known")):
        GpuAccount.objects.update(data_url=f"http://127.0.0.1:{port}")
        assert seen("open_endpoint", world.project) == state
