"""A webhook receiver and a mail server on loopback that keep what they are given."""

import json
import socket
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Webhook:
    """Answers what `answers` says, one after the other, then 200. `seen`: what was accepted."""

    answers: list[int] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    redirect: str = ""
    release: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        receiver = self
        self.release.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.asked += 1
                receiver.release.wait(20)
                code = receiver.answers.pop(0) if receiver.answers else 200
                if code == 200:
                    receiver.seen.append(json.loads(body))
                self.send_response(code)
                if receiver.redirect:
                    self.send_header("Location", receiver.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Not into the tests' output."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"json://user:pass-word-1@127.0.0.1:{self.server.server_port}/hooks/very-secret-path"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.seen]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Mail:
    """One mail as the server took it."""

    sender: str
    to: list[str]
    message: EmailMessage

    def part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Mailbox:
    """A mail server. `refuses`: how many mails it turns away from now on."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refuses = 0
        self.controller = Controller(self, hostname="127.0.0.1", port=_free_port())
        self.controller.start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            self.refuses -= 1
            return "451 later, secret-relay-name"
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(Mail(envelope.mail_from, envelope.rcpt_tos, message))
        return "250 taken"

    @property
    def port(self) -> int:
        return int(self.controller.port)

    @property
    def subjects(self) -> list[str]:
        return [str(mail.message["Subject"]) for mail in self.mails]

    def stop(self) -> None:
        self.controller.stop()
