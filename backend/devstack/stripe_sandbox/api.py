"""Stripe's dialect of the request pipeline, and its table of operations."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from devstack.http_messages import BadRequest, Request, Response, json_response
from devstack.http_server import Handler, Router
from devstack.sandbox_parts.faults import Faults
from devstack.sandbox_parts.idempotency import StoredAnswer
from devstack.sandbox_parts.pipeline import ProviderApi
from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.balance import Balance
from devstack.stripe_sandbox.credentials import api_key, browser_view, check_client_secret, is_publishable
from devstack.stripe_sandbox.customers import Customers
from devstack.stripe_sandbox.disputes import Disputes
from devstack.stripe_sandbox.errors import StripeError, no_such
from devstack.stripe_sandbox.events import Events
from devstack.stripe_sandbox.forms import Params, as_list, parse_form
from devstack.stripe_sandbox.objects import Object, new_id
from devstack.stripe_sandbox.payment_intents import PaymentIntents
from devstack.stripe_sandbox.refunds import Refunds

_FOR_BROWSERS = {"payment_intents.confirm", "payment_intents.retrieve"}
_EXPANDABLE = {
    "latest_charge": "charge",
    "charge": "charge",
    "customer": "customer",
    "payment_intent": "payment_intent",
}
# The source of a balance transaction is whatever moved; its id says what that is.
_SOURCES = {"ch": "charge", "re": "refund", "dp": "dispute"}
_OTHER_PARAMETERS = (
    "Keys for idempotent requests can only be used with the same parameters they were first used with."
)


@dataclass(frozen=True)
class Call:
    """An operation's input: parsed parameters, the id in the path, and who calls."""

    params: Params
    object_id: str
    publishable: bool


Operation = Callable[[Call], Document]


class StripeApi(ProviderApi):
    """The endpoints under /v1/."""

    def __init__(
        self, store: Store, faults: Faults, stopping: threading.Event, *, events: Events, secret_key: str
    ) -> None:
        super().__init__(store, faults, stopping)
        self._secret_key = secret_key
        self.events = events
        self.intents = PaymentIntents(store, events)
        self.refunds = Refunds(store, events)
        self.disputes = Disputes(store, events)
        self._customers = Customers(store)
        self._balance = Balance(store)

    def add_routes(self, router: Router) -> None:
        """Register every operation; search comes before {id} because the first match wins."""
        intents, refunds, customers, events = self.intents, self.refunds, self._customers, self.events
        disputes, balance = self.disputes, self._balance
        one = "/v1/payment_intents/{id}"
        table: list[tuple[str, str, str, Operation]] = [
            ("POST", "/v1/customers", "customers.create", _by_params(customers.create)),
            ("GET", "/v1/customers/{id}", "customers.retrieve", _by_id(customers.retrieve)),
            ("GET", "/v1/payment_intents/search", "payment_intents.search", _by_params(intents.search)),
            ("GET", "/v1/payment_intents", "payment_intents.list", _by_params(intents.list)),
            ("POST", "/v1/payment_intents", "payment_intents.create", _by_params(intents.create)),
            ("GET", one, "payment_intents.retrieve", self._retrieve_intent),
            ("POST", one, "payment_intents.update", _by_both(intents.update)),
            ("POST", f"{one}/confirm", "payment_intents.confirm", self._confirm_intent),
            ("POST", f"{one}/cancel", "payment_intents.cancel", _by_both(intents.cancel)),
            ("POST", "/v1/refunds", "refunds.create", _by_params(refunds.create)),
            ("GET", "/v1/refunds", "refunds.list", _by_params(refunds.list)),
            ("GET", "/v1/refunds/{id}", "refunds.retrieve", _by_id(refunds.retrieve)),
            ("GET", "/v1/charges/{id}", "charges.retrieve", _by_id(refunds.charge)),
            ("GET", "/v1/disputes", "disputes.list", _by_params(disputes.list)),
            ("GET", "/v1/disputes/{id}", "disputes.retrieve", _by_id(disputes.retrieve)),
            ("GET", "/v1/balance_transactions", "balance_transactions.list", _by_params(balance.list)),
            (
                "GET",
                "/v1/balance_transactions/{id}",
                "balance_transactions.retrieve",
                _by_id(balance.retrieve),
            ),
            ("GET", "/v1/events", "events.list", _by_params(events.list)),
            (
                "GET",
                "/v1/webhook_endpoints",
                "webhook_endpoints.list",
                _by_params(lambda _: events.endpoints()),
            ),
            ("GET", "/v1/events/{id}", "events.retrieve", self._retrieve_event),
        ]
        for method, path, name, operation in table:
            router.add(method, path, self._handler(name, operation), name)

    def _handler(self, name: str, operation: Operation) -> Handler:
        def run(request: Request) -> Response:
            params = _params(request)
            publishable = is_publishable(api_key(request, params), self._secret_key)
            if publishable and name not in _FOR_BROWSERS:
                raise StripeError(403, "A publishable key cannot make this call.", code="secret_key_required")
            result = operation(Call(params, request.params.get("id", ""), publishable))
            return json_response(200, self._expand(result, as_list(params.get("expand"))))

        return run

    def _retrieve_intent(self, call: Call) -> Object:
        intent = self.intents.retrieve(call.object_id)
        return self._for_caller(intent, call)

    def _confirm_intent(self, call: Call) -> Object:
        if call.publishable:
            check_client_secret(self.intents.retrieve(call.object_id), call.params)
        return self._for_caller(self.intents.confirm(call.object_id, call.params), call)

    def _for_caller(self, intent: Object, call: Call) -> Object:
        if not call.publishable:
            return intent
        check_client_secret(intent, call.params)
        return browser_view(intent)

    def _retrieve_event(self, call: Call) -> Document:
        event = self.events.retrieve(call.object_id)
        if event is None:
            raise no_such("event", call.object_id)
        return event

    def _expand(self, result: Document, names: list[str]) -> Document:
        if names and "data" in result and isinstance(result["data"], list):
            inner = [name.removeprefix("data.") for name in names]
            return {**result, "data": [self._expand(item, inner) for item in result["data"]]}
        expanded = dict(result)
        for name in names:
            held = result.get(name)
            kind = _SOURCES.get(str(held).partition("_")[0]) if name == "source" else _EXPANDABLE.get(name)
            if kind is None or name not in result:
                raise StripeError(400, f"This property cannot be expanded ({name}).", param="expand")
            if isinstance(held, str):
                expanded[name] = self._store.get(kind, held)
        return expanded

    def check_key(self, request: Request) -> None:
        """401 before anything else, so that faults and keys are only for who may call."""
        is_publishable(api_key(request, _params(request)), self._secret_key)

    def idempotency_key(self, request: Request) -> str | None:
        """Stripe honours the key on POST only."""
        return (request.headers.get("idempotency-key") or None) if request.method == "POST" else None

    def fingerprint(self, request: Request) -> str:
        """Path and parameters, whatever their order."""
        return f"{request.path} {json.dumps(_params(request), sort_keys=True)}"

    def replay(self, stored: StoredAnswer, fingerprint: str) -> Response:
        """The stored status and body; 400 idempotency_error for another endpoint or other parameters."""
        if stored.fingerprint != fingerprint:
            return StripeError(400, _OTHER_PARAMETERS, error_type="idempotency_error").response()
        headers = {"Idempotent-Replayed": "true"}
        if stored.status >= 500:
            headers["Stripe-Should-Retry"] = "false"
        return Response(stored.status, stored.body, headers=headers)

    def key_in_use(self) -> Response:
        """409 while the first request runs."""
        return StripeError(
            409,
            "There is currently another in-progress request using this Idempotent Key.",
            error_type="idempotency_error",
            code="idempotency_key_in_use",
        ).response()

    def server_error(self) -> Response:
        """An api_error; Stripe-Should-Retry is false because the key would only replay it."""
        body = {"error": {"type": "api_error", "message": "An unknown error occurred"}}
        return json_response(500, body, {"Stripe-Should-Retry": "false"})

    def rate_limited(self, retry_after_s: float) -> Response:
        """429 rate_limit; Stripe names no waiting time."""
        del retry_after_s
        return StripeError(429, "Request rate limit exceeded.", code="rate_limit").response()

    def perform(self, handler: Handler, request: Request) -> tuple[Response, bool]:
        """Run the operation; a StripeError keeps what was written before it (a decline leaves its traces)."""
        try:
            response, kept = handler(request), True
        except StripeError as error:
            response, kept = error.response(), error.kept
        return Response(response.status, response.body, headers={"Request-Id": new_id("req_", 14)}), kept


def _params(request: Request) -> Params:
    try:
        form = request.body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("the body is not UTF-8") from error
    return parse_form("&".join(part for part in (request.query, form) if part))


def _by_params(operation: Callable[[Params], Document]) -> Operation:
    return lambda call: operation(call.params)


def _by_id(operation: Callable[[str], Document]) -> Operation:
    return lambda call: operation(call.object_id)


def _by_both(operation: Callable[[str, Params], Document]) -> Operation:
    return lambda call: operation(call.object_id, call.params)
