"""A real SMTP server on 127.0.0.1 (RFC 5321, as much as a client needs) that keeps what it took."""

from __future__ import annotations

import email
import email.header
import email.policy
import socketserver
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Self


@dataclass(frozen=True)
class Taken:
    """One mail as it came in."""

    sender: str
    to: list[str]
    raw: bytes

    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    def header(self, name: str) -> str:
        return str(self.message()[name] or "")

    def subject(self) -> str:
        return self.header("Subject")

    def text(self) -> str:
        return str(self.message().get_content())


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    peer: MailPeer


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        sender, to = "", list[str]()
        self._say("220 peer ready")
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO" | "HELO":
                    self._say("250 peer")
                case "MAIL":
                    sender, to = _address(rest), []
                    self._say("250 ok")
                case "RCPT":
                    said = self.server.peer.answer_to_recipient
                    to += [_address(rest)] if said.startswith("2") else []
                    self._say(said)
                case "DATA":
                    self._say("354 go on")
                    self.server.peer.taken.append(Taken(sender, to, self._body()))
                    self._say("250 taken")
                case "RSET" | "NOOP":
                    self._say("250 ok")
                case "QUIT":
                    return self._say("221 bye")
                case _:
                    self._say("502 no such command")
        return None

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _body(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)


class MailPeer:
    """A running server; `answer_to_recipient` is what RCPT is answered with."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.answer_to_recipient = "250 ok"
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.peer = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: Any) -> None:
        self.close()

    def close(self) -> None:
        """Nobody listens any more."""
        self._server.shutdown()
        self._server.server_close()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
