"""One wish carried out over HTTP: the order, asked again with its key until there is an answer, and what follows."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from devstack.api_client import UnexpectedAnswer
from devstack.crowd.market import Market
from devstack.crowd.people import Habit, Wish
from devstack.narrator import StoryFailed
from devstack.provider_view import pay_as_a_browser

_TRIES = 20
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 3.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_METHODS = {
    Habit.PAYS: "pm_card_visa",
    Habit.DECLINED: "pm_card_chargeDeclined",
    Habit.BANK: "pm_usBankAccount_success",
}


@dataclass(frozen=True)
class Told:
    """What came of a wish. Times are the machine's clock, as PostgreSQL's is; ``sent_at_s`` is of the first try.

    ``key`` is its Idempotency-Key. ``code`` is empty for an order that was made. ``then``: what became of paying or
    cancelling, for people.
    """

    wish: Wish
    key: str
    status: int
    code: str
    sent_at_s: float
    answered_at_s: float
    tries: int
    order_id: str = ""
    intent_id: str = ""
    then: str = ""


def carry_out(market: Market, wish: Wish) -> Told:
    """Order, and then do what this buyer does."""
    _subject, wallet_id = market.buyers[wish.buyer]
    client = market.client(wish.buyer)
    body = {
        "tier_id": market.tiers[wish.sale],
        "quantity_units": wish.quantity_units,
        "wallet_id": wallet_id,
    }
    key = secrets.token_hex(16)
    sent_at_s, status, code, answer = time.time(), 0, "no_answer", {}
    tried = 0
    while tried < _TRIES:
        tried += 1
        try:
            got = client.post("orders/", body, key=key)
        except UnexpectedAnswer:
            time.sleep(_PAUSE_S)
            continue
        status, code, answer = got.status, str(got.body.get("code", "")), got.body
        if status not in _AGAIN and code != "idempotency_in_progress":
            break
        time.sleep(min(float(got.headers.get("Retry-After", _PAUSE_S)), _LONGEST_PAUSE_S))
    answered_at_s = time.time()
    if status != 201:
        return Told(wish, key, status, code, sent_at_s, answered_at_s, tried)
    order_id, intent_id = str(answer["id"]), str(answer["payment_intent_id"])
    then = _then(market, wish, order_id, intent_id, str(answer["client_secret"]))
    return Told(wish, key, status, "", sent_at_s, answered_at_s, tried, order_id, intent_id, then)


def _then(market: Market, wish: Wish, order_id: str, intent_id: str, client_secret: str) -> str:
    if wish.habit is Habit.ABANDONS:
        return ""
    try:
        if wish.habit is Habit.CANCELS:
            return str(market.client(wish.buyer).post(f"orders/{order_id}/cancel/").status)
        return pay_as_a_browser(
            market.place.stripe_url,
            intent_id=intent_id,
            client_secret=client_secret,
            payment_method=_METHODS[wish.habit],
        )
    except (UnexpectedAnswer, StoryFailed) as error:
        # A declined card, a hold that was over, or no answer: the books say what became of it.
        return str(error)
