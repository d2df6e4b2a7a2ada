"""A real webhook endpoint that keeps what it is sent, and polling with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from devstack.http_messages import Request, Response, json_response
from devstack.http_server import HttpServer

DEADLINE_S = 10.0


def eventually(condition: Callable[[], Any], *, deadline_s: float = DEADLINE_S) -> Any:
    """The condition's first truthy value; AssertionError after the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if value := condition():
            return value
        threading.Event().wait(0.02)
    raise AssertionError("the condition did not come true in time")


@dataclass
class Receiver:
    """Answers each webhook with `status`; `received` are (headers, raw body)."""

    port: int = 0
    status: int = 200
    received: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = HttpServer(self.port, self._receive)
        self.server.start()

    def _receive(self, request: Request) -> Response:
        self.received.append((request.headers, request.body))
        return json_response(self.status, {})

    @property
    def url(self) -> str:
        return f"{self.server.base_url}/hook"

    def stop(self) -> None:
        self.server.stop()


def control(base_url: str, method: str, path: str, body: Any = None) -> Any:
    """Call a sandbox's control endpoint; its JSON answer."""
    answer = requests.request(method, f"{base_url}/_sandbox/{path}", json=body, timeout=10)
    assert answer.ok, answer.text
    return answer.json()


def order_fault(base_url: str, **spec: Any) -> None:
    control(base_url, "POST", "faults", spec)
