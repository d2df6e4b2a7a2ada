"""The control endpoints that every sandbox has, under /_sandbox/: open to whoever reaches 127.0.0.1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devstack.http_messages import Request, Response, json_response
from devstack.http_server import Router
from devstack.sandbox_parts.clock import Clock
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.store import Document
from devstack.webhook_sender import WebhookSender


@dataclass(frozen=True)
class Control:
    """State, reset, faults, clock, resend and the webhook endpoint, over callables of the sandbox."""

    faults: Faults
    clock: Clock
    sender: WebhookSender
    dump: Callable[[], Document]
    reset: Callable[[], None]
    resend: Callable[[str], bool]
    set_secret: Callable[[str], None] | None = None

    def add_routes(self, router: Router) -> None:
        """Register all control routes."""
        router.add("GET", "/_sandbox/state", lambda _: json_response(200, self.dump()))
        router.add("POST", "/_sandbox/reset", self._reset)
        router.add("GET", "/_sandbox/faults", lambda _: json_response(200, self.faults.waiting()))
        router.add("POST", "/_sandbox/faults", self._add_fault)
        router.add("DELETE", "/_sandbox/faults", self._clear_faults)
        router.add("PUT", "/_sandbox/clock", self._set_clock)
        router.add("POST", "/_sandbox/events/{id}/resend", self._resend)
        router.add("PUT", "/_sandbox/webhook_endpoint", self._webhook_endpoint)

    def _reset(self, _request: Request) -> Response:
        self.reset()
        return json_response(200, {"reset": True})

    def _add_fault(self, request: Request) -> Response:
        try:
            return json_response(201, self.faults.add(request.json_object()))
        except (TypeError, ValueError) as error:
            return json_response(400, {"message": str(error)})

    def _clear_faults(self, _request: Request) -> Response:
        self.faults.clear()
        return json_response(200, {"cleared": True})

    def _set_clock(self, request: Request) -> Response:
        try:
            self.clock.offset_s = float(request.json_object().get("offset_s", 0))
        except (TypeError, ValueError):
            return json_response(400, {"message": "offset_s must be a number of seconds"})
        return json_response(200, {"offset_s": self.clock.offset_s})

    def _resend(self, request: Request) -> Response:
        if not self.resend(request.params["id"]):
            return json_response(404, {"message": "no such event"})
        return json_response(200, {"resent": request.params["id"]})

    def _webhook_endpoint(self, request: Request) -> Response:
        body = request.json_object()
        if "secret" in body and self.set_secret:
            self.set_secret(str(body["secret"]))
        if "url" in body:
            self.sender.set_url(str(body["url"]))
        return json_response(200, {"url": body.get("url")})
