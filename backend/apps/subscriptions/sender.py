"""One POST to a receiver: to a checked address, no redirects, within a deadline; the answer is not read."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache

import certifi

from apps.core.remote import refuse_inside_transaction
from apps.subscriptions.destination import Refused, port_of, public_addresses, split_url

CONNECT_TIMEOUT_S = 3.0
# The specification asks receivers to answer within 15 to 30 s; one slow receiver holds a worker for this long.
TOTAL_TIMEOUT_S = 10.0
USER_AGENT = "POSX-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one request: the receiver's status, or why there is none."""

    http_status: int | None
    error_code: str
    duration_ms: int
    retry_after_s: int | None = None

    @property
    def is_accepted(self) -> bool:
        return self.http_status is not None and 200 <= self.http_status < 300


def send(*, url: str, body: bytes, headers: Mapping[str, str]) -> Sent:
    """POST ``body`` as JSON. Never raises for what the other side does; refuses to run inside a transaction."""
    refuse_inside_transaction()
    started_s = time.monotonic()
    try:
        status, retry_after_s = _post(url, body, headers)
        code = "" if 200 <= status < 300 else _code_of(status)
        return Sent(status, code, _ms_since(started_s), retry_after_s)
    except Refused as refused:
        return Sent(None, refused.code, _ms_since(started_s))
    except ssl.SSLCertVerificationError:
        return Sent(None, "certificate_invalid", _ms_since(started_s))
    except (OSError, http.client.HTTPException) as error:
        timed_out = isinstance(error, TimeoutError) or time.monotonic() - started_s >= TOTAL_TIMEOUT_S
        return Sent(None, "timeout" if timed_out else "connection_failed", _ms_since(started_s))


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, int | None]:
    parts = split_url(url)
    host, port = parts.hostname or "", port_of(parts)
    address = public_addresses(host, port)[0]
    with closing(socket.create_connection((address, port), timeout=CONNECT_TIMEOUT_S)) as plain:
        # A receiver that sends a byte now and then would outlast any timeout of single reads.
        deadline = threading.Timer(TOTAL_TIMEOUT_S, _hang_up, args=[plain])
        deadline.daemon = True
        deadline.start()
        try:
            plain.settimeout(TOTAL_TIMEOUT_S)
            connection = http.client.HTTPConnection(host, port)
            connection.sock = (
                _tls().wrap_socket(plain, server_hostname=host) if parts.scheme == "https" else plain
            )
            with closing(connection):
                target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
                connection.request(
                    "POST",
                    target,
                    body,
                    {
                        "Content-Type": "application/json",
                        "User-Agent": USER_AGENT,
                        "Connection": "close",
                        **headers,
                    },
                )
                answer = connection.getresponse()
                return answer.status, _seconds(answer.headers.get("Retry-After"))
        finally:
            deadline.cancel()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _code_of(status: int) -> str:
    return "redirect_refused" if 300 <= status < 400 else f"http_{status}"


def _seconds(retry_after: str | None) -> int | None:
    """Retry-After in seconds; its other form, a date, is not worth a clock that differs from ours."""
    text = (retry_after or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else None


def _ms_since(started_s: float) -> int:
    return int((time.monotonic() - started_s) * 1000)
