"""The Stripe sandbox as a server: StripeSandbox(...).start()."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.http_messages import Request, Response, json_response
from devstack.http_server import HttpServer, Router
from devstack.sandbox_parts.clock import Clock
from devstack.sandbox_parts.control import Control
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.store import Store
from devstack.stripe_sandbox.api import StripeApi
from devstack.stripe_sandbox.credentials import PUBLISHABLE_KEY
from devstack.stripe_sandbox.errors import StripeError
from devstack.stripe_sandbox.events import Events
from devstack.stripe_sandbox.pages import dump, page
from devstack.stripe_sandbox.signing import signature_header
from devstack.webhook_sender import DEFAULT_RETRY_DELAYS_S, WebhookSender

__all__ = ["PUBLISHABLE_KEY", "StripeSandbox"]


class StripeSandbox:
    """A Stripe on 127.0.0.1:port (0 takes a free one) whose state lives in `state_path`.

    One object is started and stopped once; a new one on the same path continues where it was.
    """

    def __init__(
        self,
        state_path: Path | str,
        port: int,
        secret_key: str,
        webhook_url: str | None,
        webhook_secret: str,
        *,
        retry_delays_s: Sequence[float] = DEFAULT_RETRY_DELAYS_S,
    ) -> None:
        self._stopping = threading.Event()
        self._webhook_secret = webhook_secret
        self._clock = Clock()
        self._store = Store(state_path)
        self._faults = Faults(self._store)
        self._sender = WebhookSender(
            self._store, url=webhook_url, sign=self._sign, forge=self._forge, retry_delays_s=retry_delays_s
        )
        events = Events(self._store, self._sender, self._faults)
        self._api = StripeApi(self._store, self._faults, self._stopping, events=events, secret_key=secret_key)
        self._router = Router()
        self._add_routes(events)
        self._server = HttpServer(port, self._handle)

    def _add_routes(self, events: Events) -> None:
        self._api.add_routes(self._router)
        self._router.add("GET", "/", lambda _: page(self._store, self._sender))
        self._router.add("POST", "/_sandbox/payment_intents/{id}/settle", self._settle)
        self._router.add("POST", "/_sandbox/payment_intents/{id}/dispute", self._dispute)
        self._router.add("POST", "/_sandbox/refunds/{id}/fail", self._fail_refund)
        Control(
            faults=self._faults,
            clock=self._clock,
            sender=self._sender,
            dump=lambda: dump(self._store, self._sender, self._faults),
            reset=self._store.clear,
            resend=events.resend,
            set_secret=self._set_secret,
        ).add_routes(self._router)

    @property
    def base_url(self) -> str:
        """Address without a trailing slash, for StripeClient's base_addresses["api"]."""
        return self._server.base_url

    def start(self) -> None:
        """Serve and deliver; OSError when the port is taken."""
        self._server.start()
        self._sender.start()

    def stop(self) -> None:
        """Stop both and close the state file."""
        self._stopping.set()
        self._server.stop()
        self._sender.stop()
        self._store.close()

    def _handle(self, request: Request) -> Response:
        found = self._router.match(request)
        try:
            if found is None:
                raise StripeError(404, f"Unrecognized request URL ({request.method}: {request.path}).")
            route, request = found
            if route.operation is None:
                return route.handler(request)
            self._api.check_key(request)
            return self._api.answer(route.operation, route.handler, request)
        except StripeError as error:
            return error.response()

    def _settle(self, request: Request) -> Response:
        outcome = str(request.json_object().get("outcome"))
        with self._store.transaction():
            return json_response(200, self._api.intents.settle(request.params["id"], outcome))

    def _dispute(self, request: Request) -> Response:
        outcome = request.json_object().get("outcome")
        with self._store.transaction():
            dispute = self._api.disputes.control(
                request.params["id"], None if outcome is None else str(outcome)
            )
            return json_response(200, dispute)

    def _fail_refund(self, request: Request) -> Response:
        with self._store.transaction():
            return json_response(200, self._api.refunds.fail(request.params["id"]))

    def _sign(self, body: bytes) -> Mapping[str, str]:
        return self._signed(body, self._webhook_secret)

    def _forge(self, body: bytes) -> Mapping[str, str]:
        return self._signed(body, "whsec_of_somebody_else")

    def _signed(self, body: bytes, secret: str) -> Mapping[str, str]:
        stamp_s = int(self._clock.now_s())
        return {"Stripe-Signature": signature_header(body, secret, timestamp_s=stamp_s)}

    def _set_secret(self, secret: str) -> None:
        self._webhook_secret = secret
