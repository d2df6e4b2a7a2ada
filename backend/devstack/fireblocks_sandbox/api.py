"""Fireblocks' dialect of the request pipeline, and its table of operations."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

from devstack.fireblocks_sandbox import errors
from devstack.fireblocks_sandbox.balances import Balances
from devstack.fireblocks_sandbox.errors import FireblocksError
from devstack.fireblocks_sandbox.transactions import Transactions
from devstack.http_messages import Request, Response, json_response
from devstack.http_server import Handler, Router
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.idempotency import StoredAnswer
from devstack.sandbox_parts.pipeline import ProviderApi
from devstack.sandbox_parts.store import Store

_BY_EXTERNAL_ID = "/v1/transactions/external_tx_id"
_MAX_KEY_LENGTH = 40
_AFTER_ERROR = "This operation doesn't support the usage of the same idempotency key after an internal error"


class FireblocksApi(ProviderApi):
    """The endpoints under /v1/."""

    def __init__(
        self,
        store: Store,
        faults: Faults,
        stopping: threading.Event,
        *,
        transactions: Transactions,
        balances: Balances,
    ) -> None:
        super().__init__(store, faults, stopping)
        self._transactions = transactions
        self._balances = balances

    def add_routes(self, router: Router) -> None:
        """Register every operation; external_tx_id comes before {id} because the first match wins."""
        txs, balances = self._transactions, self._balances
        table: list[tuple[str, str, str, Callable[[Request], Any]]] = [
            ("POST", "/v1/transactions", "create", lambda r: txs.create(r.json_object())),
            ("GET", "/v1/transactions", "list", lambda r: txs.list(r.query_values())),
            ("GET", f"{_BY_EXTERNAL_ID}/{{id}}", "by_external_id", lambda r: txs.by_external_id(r.params["id"])),
            ("GET", "/v1/transactions/{id}", "retrieve", lambda r: txs.retrieve(r.params["id"])),
        ]  # fmt: skip
        for method, path, name, operation in table:
            router.add(method, path, _handler(operation), f"transactions.{name}")
        router.add("GET", "/v1/supported_assets", _handler(lambda _: balances.assets()), "assets.list")
        router.add(
            "GET", "/v1/assets/{id}", _handler(lambda r: balances.asset(r.params["id"])), "assets.retrieve"
        )
        router.add(
            "GET",
            "/v1/vault/accounts/{vault}/{asset}",
            _handler(lambda r: balances.vault_asset(r.params["vault"], r.params["asset"])),
            "vault.asset",
        )

    def idempotency_key(self, request: Request) -> str | None:
        """Honoured on POST only; 400 when longer than 40 characters."""
        key = request.headers.get("idempotency-key")
        if request.method != "POST" or not key:
            return None
        if len(key) > _MAX_KEY_LENGTH:
            raise FireblocksError(400, errors.INVALID_REQUEST, "Idempotency-Key is longer than 40 characters")
        return key

    def fingerprint(self, request: Request) -> str:
        """Fireblocks replays whatever body comes with the key."""
        return request.path

    def replay(self, stored: StoredAnswer, fingerprint: str) -> Response:
        """The stored answer; after an internal error a 400 instead."""
        del fingerprint
        if stored.status >= 500:
            return FireblocksError(400, errors.KEY_AFTER_ERROR, _AFTER_ERROR).response()
        return Response(stored.status, stored.body)

    def key_in_use(self) -> Response:
        """409 while the first request runs."""
        return FireblocksError(409, errors.KEY_IN_USE, "A request with this key is running").response()

    def server_error(self) -> Response:
        """An internal error."""
        return json_response(500, {"message": "Internal error", "code": 1})

    def rate_limited(self, retry_after_s: float) -> Response:
        """429 with Retry-After in whole seconds."""
        body = {"message": "Too many requests", "code": errors.RATE_LIMITED}
        return json_response(429, body, {"Retry-After": str(math.ceil(retry_after_s))})

    def perform(self, handler: Handler, request: Request) -> tuple[Response, bool]:
        """Run the operation; its errors come before its first write, and are kept by the key too."""
        try:
            return handler(request), True
        except FireblocksError as error:
            return error.response(), True


def _handler(operation: Callable[[Request], Any]) -> Handler:
    return lambda request: json_response(200, operation(request))
