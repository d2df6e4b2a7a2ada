"""Railway's edge: takes HTTPS from outside (plain HTTP here) and forwards it to the web of the moment."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from devstack.ports import HOST, free_port

_OWN = {"host", "connection", "transfer-encoding", "content-length", "x-forwarded-for", "x-forwarded-proto"}
_MADE_HERE = {*_OWN, "server", "date"}
FORWARD_TIMEOUT_S = 60


class Edge:
    """`url` is where the world comes in; `target` may change while it runs, as at a new deployment."""

    def __init__(self, domain: str, port: int | None = None) -> None:
        self.target = ""
        self._server = ThreadingHTTPServer((HOST, port or free_port()), _handler(self, domain))
        self.url = f"http://{HOST}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="edge", daemon=True
        )

    def start(self) -> Edge:
        """Begin to take connections."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Take none any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(edge: Edge, domain: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """The web writes its own access line."""

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
            own = {
                "Host": domain,
                "X-Forwarded-For": self.client_address[0],
                "X-Forwarded-Proto": "https",
                "Content-Length": str(len(body)),
            }
            try:
                status, headers, content = _ask(edge.target, self.command, self.path, {**kept, **own}, body)
            except OSError:
                status, headers, content = 502, [], b"no web answers"
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _MADE_HERE:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = forward  # noqa: N815

    return Handler


def _ask(
    target: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, list[tuple[str, str]], bytes]:
    connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=FORWARD_TIMEOUT_S)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()
