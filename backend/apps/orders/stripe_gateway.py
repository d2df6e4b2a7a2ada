"""The only importer of stripe: PaymentIntents, refunds and events in our words, errors by what is known."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import requests
import stripe
from django.conf import settings

from apps.core.remote import RemoteError, RemoteRejected, RemoteUnknown, refuse_inside_transaction
from apps.orders.stripe_objects import (
    Dispute,
    Event,
    Intent,
    Payment,
    Refund,
    dispute_of,
    event_of,
    id_of,
    intent_of,
    movement_of,
    payment_of,
    refund_of,
)

__all__ = [
    "Dispute",
    "Event",
    "Intent",
    "Payment",
    "Refund",
    "StripeCredentialsRefused",
    "StripeGateway",
    "StripeUnknown",
]

CONNECT_TIMEOUT_S = 3
PAGE_SIZE = 100
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]
# Of several intents of one order, the first of these is the one that money hangs on.
_WEIGHT = ("succeeded", "requires_capture", "processing", "requires_action", "requires_confirmation")


class StripeUnknown(RemoteUnknown):
    """No believable answer: it may have happened."""


class StripeCredentialsRefused(RemoteError):
    """Stripe refused our key: nothing happened there, and the order is not to blame for it. Transient."""


class StripeGateway:
    """Stripe's API for orders.

    Every method refuses to run while a transaction is open, and raises RemoteRejected (Stripe said no and
    nothing happened), StripeUnknown (it may have happened: ask first) or StripeCredentialsRefused.
    """

    def __init__(self, secret_key: str, api_base: str | None = None, timeout_s: float = 8) -> None:
        # At DEBUG the library writes whole bodies, client secrets included, into the log.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        session = requests.Session()
        # A followed redirect would turn a POST into a GET elsewhere, with our key in the header.
        session.max_redirects = 0
        # The library's own retries would send again without our asking first; its timeout is 80 s.
        client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else None,
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(CONNECT_TIMEOUT_S, timeout_s), session=session),
        )
        self._api = client.v1

    @classmethod
    def from_settings(cls) -> StripeGateway:
        """The gateway of this process for STRIPE_SECRET_KEY and STRIPE_API_BASE."""
        return _shared(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE or None)

    def create_intent(
        self, *, order_id: UUID, site_id: UUID, amount_minor: int, currency: str, description: str = ""
    ) -> Intent:
        """The order's intent: made once, and answered again for 24 h under the key `order-{order_id}`.

        A repeated answer is the first one word for word, so ask get_intent for today's status. After 24 h
        use find_intent_by_order first. Source: Stripe's docs, "Idempotent requests".
        """
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": amount_minor,
            "currency": currency.lower(),
            "automatic_payment_methods": {"enabled": True},
            "metadata": {"order_id": str(order_id), "site_id": str(site_id)},
        }
        if description:
            params["description"] = description
        with _answered():
            return _intent(self._api.payment_intents.create(params, {"idempotency_key": f"order-{order_id}"}))

    def get_intent(self, intent_id: str) -> Intent:
        """The intent as it is now; RemoteRejected("resource_missing") when there is none."""
        with _answered():
            return _intent(self._api.payment_intents.retrieve(intent_id))

    def find_intent_by_order(self, order_id: UUID) -> Intent | None:
        """The order's intent by its metadata, None when Stripe's search has none.

        The search lags by up to a minute, in outages longer: None is no proof for a fresh order. Of several
        intents a paid one comes first, then one that is being paid, then the newest; its state is fetched.
        """
        query = f"metadata['order_id']:'{UUID(str(order_id))}'"
        with _answered():
            found = [
                _dict(one)
                for one in self._api.payment_intents.search({"query": query, "limit": PAGE_SIZE}).data
            ]
            if not found:
                return None
            best = min(found, key=lambda intent: (_weight(intent["status"]), -intent["created"]))
            return _intent(self._api.payment_intents.retrieve(best["id"]))

    def cancel_intent(self, intent_id: str) -> Intent:
        """Cancel; when it can no longer be cancelled (paid, being paid, cancelled), the truth is returned."""
        try:
            with _answered():
                return _intent(self._api.payment_intents.cancel(intent_id))
        except RemoteRejected as refusal:
            if refusal.code != "payment_intent_unexpected_state":
                raise
            return self.get_intent(intent_id)

    def create_refund(
        self,
        *,
        intent_id: str,
        amount_minor: int,
        idempotency_key: str,
        reason: RefundReason = "requested_by_customer",
        row_id: UUID | None = None,
    ) -> Refund:
        """Give money back. The key holds for 24 h: later look at list_refunds before asking again.

        ``row_id`` comes back in the refund, so that the list says whose it is.
        """
        params: stripe.params.RefundCreateParams = {
            "payment_intent": intent_id,
            "amount": amount_minor,
            "reason": reason,
        }
        if row_id is not None:
            params["metadata"] = {"refund_id": str(row_id)}
        with _answered():
            return _refund(self._api.refunds.create(params, {"idempotency_key": idempotency_key}))

    def get_refund(self, refund_id: str) -> Refund:
        """The refund as it is now."""
        with _answered():
            return _refund(self._api.refunds.retrieve(refund_id))

    def list_refunds(self, intent_id: str) -> list[Refund]:
        """The newest 100 refunds of an intent, newest first."""
        with _answered():
            page = self._api.refunds.list({"payment_intent": intent_id, "limit": PAGE_SIZE})
            return [_refund(one) for one in page.data]

    def get_dispute(self, dispute_id: str) -> Dispute:
        """The dispute as it is now."""
        with _answered():
            return _dispute(self._api.disputes.retrieve(dispute_id))

    def list_disputes(self, intent_id: str) -> list[Dispute]:
        """The newest 100 disputes of an intent, newest first."""
        with _answered():
            page = self._api.disputes.list({"payment_intent": intent_id, "limit": PAGE_SIZE})
            return [_dispute(one) for one in page.data]

    def intent_id_of_charge(self, charge_id: str) -> str | None:
        """The intent that a charge belongs to; None for a charge without one."""
        with _answered():
            return id_of(_dict(self._api.charges.retrieve(charge_id)).get("payment_intent"))

    def list_movements(
        self, *, created_from: datetime, created_before: datetime
    ) -> Iterator[list[Payment | Refund]]:
        """Pages of what Stripe's balance says was paid or refunded in a span of time (whole seconds), newest first.

        Each payment and refund is as it is now. A page may be empty: fees, payouts and disputes are left out.
        Source: Stripe's docs, "Balance transaction types". Pages are fetched while one iterates.
        """
        params: stripe.params.BalanceTransactionListParams = {
            "created": {"gte": int(created_from.timestamp()), "lt": int(created_before.timestamp())},
            "expand": ["data.source"],
            "limit": PAGE_SIZE,
        }
        while True:
            with _answered():
                page = self._api.balance_transactions.list(params)
                lines = [_dict(one) for one in page.data]
                moved = [movement for line in lines if (movement := movement_of(line)) is not None]
            yield moved
            if not page.has_more or not lines:
                return
            params["starting_after"] = lines[-1]["id"]

    def find_payment(self, key: str) -> Payment | None:
        """The payment with this key (a PaymentIntent's id, or a charge's) as it is now; None when nothing was paid."""
        with _answered():
            try:
                if key.startswith("ch_"):
                    charge = _dict(self._api.charges.retrieve(key))
                else:
                    intent = self._api.payment_intents.retrieve(key, {"expand": ["latest_charge"]})
                    charge = _dict(intent).get("latest_charge") or {}
            except stripe.InvalidRequestError as error:
                if error.code != "resource_missing":
                    raise
                return None
            return payment_of(charge) if charge.get("paid") else None

    def find_refund(self, refund_id: str) -> Refund | None:
        """The refund as it is now; None when Stripe has none with this id."""
        try:
            return self.get_refund(refund_id)
        except RemoteRejected as refusal:
            if refusal.code != "resource_missing":
                raise
            return None

    def list_events(
        self, types: Sequence[str], created_from: datetime, after_id: str = ""
    ) -> tuple[list[Event], bool]:
        """One page of events of these types (20 at most) from that time on, newest first, and whether more follow.

        ``after_id`` is the last event of the page before. Stripe keeps events for 30 days; an ``after_id`` that is
        gone is RemoteRejected("resource_missing"). Source: Stripe's API reference, "List all events".
        """
        params: stripe.params.EventListParams = {
            "types": list(types),
            "created": {"gte": int(created_from.timestamp())},
            "limit": PAGE_SIZE,
        }
        if after_id:
            params["starting_after"] = after_id
        with _answered():
            page = self._api.events.list(params)
            return [_event(one) for one in page.data], bool(page.has_more)

    def webhook_urls(self) -> list[str]:
        """Where the enabled endpoints of the key's own mode send events; a restricted key may not see them.

        Source: Stripe's API reference, "List all webhook endpoints".
        """
        with _answered():
            page = self._api.webhook_endpoints.list({"limit": PAGE_SIZE})
            return [str(one["url"]) for one in map(_dict, page.data) if one["status"] == "enabled"]


@lru_cache(maxsize=4)
def _shared(secret_key: str, api_base: str | None) -> StripeGateway:
    return StripeGateway(secret_key, api_base)


@contextmanager
def _answered() -> Iterator[None]:
    """Around each call: what went wrong leaves as one of our three errors."""
    refuse_inside_transaction()
    try:
        yield
    except stripe.StripeError as error:
        # `from None`: the library's error carries headers and body, which do not belong into logs.
        raise _meaning(error) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # The library hands on whatever JSON came with a 200; that is no answer that can be believed.
        raise StripeUnknown("stripe_answer_unreadable", type(error).__name__) from None


def _meaning(error: stripe.StripeError) -> RemoteError:
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return StripeCredentialsRefused("stripe_credentials_refused", f"HTTP {error.http_status}")
    if isinstance(error, stripe.CardError | stripe.InvalidRequestError):
        return RemoteRejected(error.code or "stripe_rejected", (error.user_message or "")[:500])
    if isinstance(error, stripe.IdempotencyError):
        # Something was made under this key with other parameters: the opposite of "nothing happened".
        return StripeUnknown("stripe_idempotency_key_reused")
    if isinstance(error, stripe.APIConnectionError):
        return StripeUnknown("stripe_unreachable")
    code = "stripe_rate_limited" if isinstance(error, stripe.RateLimitError) else "stripe_unavailable"
    return StripeUnknown(code, f"HTTP {error.http_status}", retry_after_s=_retry_after_s(error))


def _retry_after_s(error: stripe.StripeError) -> int | None:
    value = str((error.headers or {}).get("retry-after", ""))
    return min(int(value), 3600) if value.isascii() and value.isdigit() and len(value) < 8 else None


def _dict(answer: stripe.StripeObject) -> dict[str, Any]:
    return answer.to_dict()


def _intent(answer: stripe.StripeObject) -> Intent:
    return intent_of(_dict(answer))


def _refund(answer: stripe.StripeObject) -> Refund:
    return refund_of(_dict(answer))


def _dispute(answer: stripe.StripeObject) -> Dispute:
    return dispute_of(_dict(answer))


def _event(answer: stripe.StripeObject) -> Event:
    return event_of(_dict(answer))


def _weight(status: str) -> int:
    return _WEIGHT.index(status) if status in _WEIGHT else len(_WEIGHT) + (status == "canceled")
