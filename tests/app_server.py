"""The application over real HTTP in this process, for webhooks and for clients that cannot be handed a function."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from devstack.ports import HOST


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Stay silent: pytest shows the application's own log."""


@contextmanager
def serve_application(port: int) -> Iterator[str]:
    """Serve Django's WSGI application on 127.0.0.1:port; yields its address without a trailing slash."""
    # Not at import: it sets Django up.
    from config.wsgi import application

    server = ThreadedWSGIServer((HOST, port), _QuietHandler)
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
