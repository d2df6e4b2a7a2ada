"""The Fireblocks sandbox as a server: FireblocksSandbox(...).start()."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.fireblocks_sandbox.api import FireblocksApi
from devstack.fireblocks_sandbox.balances import DEFAULT_ASSETS, DEFAULT_BALANCES, Balances, SandboxAsset
from devstack.fireblocks_sandbox.errors import FireblocksError
from devstack.fireblocks_sandbox.events import Events
from devstack.fireblocks_sandbox.outcomes import OUTCOMES
from devstack.fireblocks_sandbox.pages import dump, page
from devstack.fireblocks_sandbox.request_auth import RequestAuth
from devstack.fireblocks_sandbox.signing import detached_jws, legacy_signature
from devstack.fireblocks_sandbox.transactions import FORGETS_EXTERNAL_ID, Transactions
from devstack.fireblocks_sandbox.walker import Walker
from devstack.http_messages import Request, Response, json_response
from devstack.http_server import HttpServer, Router
from devstack.sandbox_parts.clock import Clock
from devstack.sandbox_parts.control import Control
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.keys import SigningKeys
from devstack.sandbox_parts.store import Store
from devstack.webhook_sender import DEFAULT_RETRY_DELAYS_S, WebhookSender


def comes_again(status: int) -> bool:
    """Fireblocks never retries a 4xx other than 408 and 429."""
    return not 200 <= status < 300 and (not 400 <= status < 500 or status in (408, 429))


class FireblocksSandbox:
    """A Fireblocks on 127.0.0.1:port (0 takes a free one) whose state lives in `state_path`.

    `public_key_pem` is the client's request key; `balances` are base units by vault account and asset.
    One object is started and stopped once; a new one on the same path continues where it was.
    """

    def __init__(
        self,
        state_path: Path | str,
        port: int,
        api_key: str,
        public_key_pem: str,
        webhook_url: str | None,
        *,
        step_s: float = 0.2,
        assets: Sequence[SandboxAsset] = DEFAULT_ASSETS,
        balances: Mapping[str, Mapping[str, int]] = DEFAULT_BALANCES,
        workspace_id: str = "posx-sandbox",
        max_token_s: int = 30,
        send_v1: bool = True,
        retry_delays_s: Sequence[float] = DEFAULT_RETRY_DELAYS_S,
    ) -> None:
        self._stopping = threading.Event()
        self._send_v1 = send_v1
        self._clock = Clock()
        self._store = store = Store(state_path)
        self._keys = SigningKeys(store, "webhooks", "RS512")
        self._stranger = SigningKeys(store, "somebody_else", "RS512")
        self._faults = Faults(store, outcomes=OUTCOMES, also={FORGETS_EXTERNAL_ID})
        self._auth = RequestAuth(
            store, api_key=api_key, public_key_pem=public_key_pem, max_token_s=max_token_s, clock=self._clock
        )
        self._sender = WebhookSender(
            store,
            url=webhook_url,
            sign=self._sign,
            forge=self._forge,
            retries=comes_again,
            retry_delays_s=retry_delays_s,
        )
        self._events = Events(store, self._sender, self._faults, workspace_id=workspace_id)
        self._balances = Balances(store, assets=assets, seed=balances)
        self._transactions = Transactions(store, self._balances, self._events, self._faults, step_s=step_s)
        self._walker = Walker(store, self._transactions, step_s=step_s)
        # What was asked of the API and when (time.monotonic); the control endpoints are not counted.
        self.calls: deque[tuple[float, str]] = deque(maxlen=100_000)
        self._router = Router()
        self._add_routes()
        self._server = HttpServer(port, self._handle)

    def _add_routes(self) -> None:
        self._api = FireblocksApi(
            self._store,
            self._faults,
            self._stopping,
            transactions=self._transactions,
            balances=self._balances,
        )
        self._api.add_routes(self._router)
        add = self._router.add
        add("GET", "/", lambda _: page(self._store, self._balances, self._sender))
        add("GET", "/.well-known/jwks.json", lambda _: json_response(200, self._keys.jwks()))
        add("GET", "/_sandbox/v1_public_key", self._public_key)
        add("POST", "/_sandbox/rotate_key", self._rotate_key)
        add("POST", "/_sandbox/transactions/{id}/advance", self._advance)
        add("POST", "/_sandbox/transactions", self._plant)
        Control(
            faults=self._faults,
            clock=self._clock,
            sender=self._sender,
            dump=lambda: dump(self._store, self._balances, self._sender, self._faults),
            reset=self._reset,
            resend=self._events.resend,
        ).add_routes(self._router)

    @property
    def base_url(self) -> str:
        """Address without a trailing slash; API paths begin with /v1/."""
        return self._server.base_url

    def start(self) -> None:
        """Serve, walk and deliver; OSError when the port is taken."""
        self._server.start()
        self._sender.start()
        self._walker.start()

    def stop(self) -> None:
        """Stop all three and close the state file."""
        self._stopping.set()
        self._server.stop()
        self._walker.stop()
        self._sender.stop()
        self._store.close()

    def _handle(self, request: Request) -> Response:
        found = self._router.match(request)
        try:
            if found is None:
                raise FireblocksError(404, 404, f"No such endpoint: {request.method} {request.path}")
            route, request = found
            if route.operation is None:
                return route.handler(request)
            self.calls.append((time.monotonic(), route.operation))
            self._auth.check(request)
            return self._api.answer(route.operation, route.handler, request)
        except FireblocksError as error:
            return error.response()

    def _advance(self, request: Request) -> Response:
        body = request.json_object()
        with self._store.transaction():
            return json_response(200, self._transactions.advance(request.params["id"], body))

    def _plant(self, request: Request) -> Response:
        body = request.json_object()
        with self._store.transaction():
            return json_response(200, self._transactions.plant(body))

    def _public_key(self, _request: Request) -> Response:
        return Response(200, self._keys.public_pem.encode(), "application/x-pem-file")

    def _rotate_key(self, _request: Request) -> Response:
        self._keys.rotate()
        return json_response(200, {"kid": self._keys.kid})

    def _reset(self) -> None:
        self.calls.clear()
        with self._store.transaction():
            self._store.clear()
            self._balances.seed()

    def _sign(self, body: bytes) -> Mapping[str, str]:
        return self._signed(body, self._keys)

    def _forge(self, body: bytes) -> Mapping[str, str]:
        return self._signed(body, self._stranger)

    def _signed(self, body: bytes, keys: SigningKeys) -> Mapping[str, str]:
        # Whoever forges names the key that we would look for.
        headers = {"Fireblocks-Webhook-Signature": detached_jws(body, keys, kid=self._keys.kid)}
        if self._send_v1:
            headers["Fireblocks-Signature"] = legacy_signature(body, keys)
        return headers
