"""A small threaded HTTP/1.1 server on 127.0.0.1 with a router, for the provider sandboxes."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from devstack.http_messages import BadRequest, HangUp, Request, Response, json_response

MAX_BODY_BYTES = 1_000_000

Handler = Callable[[Request], Response]


@dataclass(frozen=True)
class Route:
    """One method and path; `operation` names it for faults, None marks a control route."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    operation: str | None


@dataclass
class Router:
    """Routes in the order in which they were added; the first match wins."""

    routes: list[Route] = field(default_factory=list)

    def add(self, method: str, path: str, handler: Handler, operation: str | None = None) -> None:
        """Add a route; `{name}` in the path matches one segment."""
        pattern = re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))
        self.routes.append(Route(method, pattern, handler, operation))

    def match(self, request: Request) -> tuple[Route, Request] | None:
        """Return the route and the request with its path parameters, or None."""
        for route in self.routes:
            found = route.pattern.fullmatch(request.path)
            if found and route.method == request.method:
                return route, replace(request, params=found.groupdict())
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handle: Handler) -> None:
        self.handle_request_object = handle
        self.open_sockets: set[socket.socket] = set()
        self.sockets_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _ConnectionHandler)

    def server_bind(self) -> None:
        # HTTPServer's own bind asks the resolver for the host's name, which can stall without a network.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.socket.getsockname()[1])

    def close_connections(self) -> None:
        """Cut what is still open: a kept-alive connection would go on being answered after stop()."""
        with self.sockets_lock:
            sockets = list(self.open_sockets)
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; handler faults were answered with 500 already."""


class _ConnectionHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave in one segment
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        with self.server.sockets_lock:
            self.server.open_sockets.add(self.connection)

    def finish(self) -> None:
        with self.server.sockets_lock:
            self.server.open_sockets.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Quiet: the sandbox page shows what happened."""

    def _answer(self) -> None:
        try:
            response = self.server.handle_request_object(self._read_request())
        except BadRequest as error:
            self.close_connection = True  # the rest of the body was perhaps not read
            response = json_response(error.status, {"message": str(error)})
        except HangUp:
            self.close_connection = True
            return
        except Exception as error:  # a fault of the sandbox: the client sees a 500, the server lives on
            self.close_connection = True
            response = json_response(500, {"message": f"sandbox fault: {error!r}"})
        self._write(response)

    def _read_request(self) -> Request:
        if self.headers.get("Transfer-Encoding"):
            raise BadRequest("send a Content-Length", status=411)
        length_text = self.headers.get("Content-Length") or "0"
        if not length_text.isdecimal():
            raise BadRequest("Content-Length is not a number")
        if int(length_text) > MAX_BODY_BYTES:
            raise BadRequest("body too large", status=413)
        path, _, query = self.path.partition("?")
        headers: Mapping[str, str] = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, self.path, path, query, headers, self.rfile.read(int(length_text)))

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the base class names them


class HttpServer:
    """Runs `handle` for each request on 127.0.0.1:port (0 takes a free one) until stop()."""

    def __init__(self, port: int, handle: Handler) -> None:
        self._port = port
        self._handle = handle
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Address without a trailing slash; the real port once started."""
        return f"http://127.0.0.1:{self._server.server_port if self._server else self._port}"

    def start(self) -> None:
        """Bind and serve in the background; OSError when the port is taken."""
        self._server = _Server(self._port, self._handle)
        self._port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut open connections; safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        server.close_connections()
        if self._thread:
            self._thread.join(timeout=5)
