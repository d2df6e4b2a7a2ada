"""One sale by the people who make it: a buyer, an operator, an approver. Whatever gets no answer is asked again."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from devstack.api_client import Answer, ApiClient, UnexpectedAnswer
from devstack.faults.place import Place, SaleSite
from devstack.faults.plan import Case
from devstack.faults.rows import Rows
from devstack.faults.steps import Stage, step_named
from devstack.narrator import StoryFailed
from devstack.provider_view import pay_as_a_browser

UNITS = 2
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 3.0
# What a client that was told so tries again with the same key.
_AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})


class SaleStuck(Exception):
    """The sale did not go on in time; the message says where it stands."""


class Sale:
    """`run` in a thread of its own: to the stage of its step, and, once `go` is set, to its end."""

    def __init__(self, place: Place, rows: Rows, case: Case, site: SaleSite) -> None:
        self.case, self.site = case, site
        self.staged, self.go = threading.Event(), threading.Event()
        self.done_at_s = 0.0
        self.trouble = ""
        self.address = f"0x{secrets.token_hex(20)}"
        self.order_id, self.intent_id = "", ""
        self.tokens_base_units = 0
        self.deadline_s = float("inf")
        self._place, self._rows = place, rows
        self._stage = step_named(case.step).stage
        # In SQL and to Stripe, in external ids, in what custody and chain are sent.
        marks = (site.site_id, site.site_id.replace("-", ""), self.address[2:])
        self._marks = re.compile("|".join(marks).encode(), re.IGNORECASE)

    def is_in(self, text: bytes) -> bool:
        """Whether traffic is this sale's: it names its site, its PaymentIntent or its address."""
        if self.intent_id and self.intent_id.encode() in text:
            return True
        return self._marks.search(text) is not None

    @property
    def is_over(self) -> bool:
        """Whether it has come to an end, good or bad."""
        return bool(self.done_at_s or self.trouble)

    def run(self) -> None:
        """The whole way. What goes wrong is in ``trouble``."""
        try:
            self._tell()
            self.done_at_s = time.monotonic()
        except (SaleStuck, UnexpectedAnswer, StoryFailed, LookupError, ValueError) as error:
            self.trouble = f"{type(error).__name__}: {error}"
        finally:
            self.staged.set()

    def _tell(self) -> None:
        buyer = self._client(f"faults|{secrets.token_hex(8)}")
        self._ask(lambda: buyer.post("me/"), 200, 201)
        wallet = self._ask(lambda: buyer.post("wallets/", {"address": self.address}), 200, 201)
        self._at(Stage.JOINED)
        self._buy(buyer, str(wallet["id"]))
        self._at(Stage.ORDERED)
        self._pay()
        self._until("its releases to unlock", lambda: self._rows.of(self.order_id).are_all("unlocked"))
        self._at(Stage.UNLOCKED)
        batch = self._request_batch()
        self._at(Stage.REQUESTED)
        self._approve(batch)
        self._until("its tokens to be released", lambda: self._rows.of(self.order_id).are_all("released"))

    def _at(self, stage: Stage) -> None:
        if stage is self._stage:
            self.staged.set()
            self.go.wait()

    def _client(self, subject: str) -> ApiClient:
        return ApiClient(self._place.api_url, site_code=self.site.code, token=self._place.mint(subject))

    def _buy(self, buyer: ApiClient, wallet_id: str) -> None:
        wish = {"tier_id": self.site.tier_id, "quantity_units": UNITS, "wallet_id": wallet_id}
        key = secrets.token_hex(16)
        order = self._ask(lambda: buyer.post("orders/", wish, key=key), 201)
        self.order_id, self.intent_id = str(order["id"]), str(order["payment_intent_id"])
        self.tokens_base_units = int(order["tokens_base_units"])
        self._client_secret = str(order["client_secret"])
        self._rows.follow(self.order_id)

    def _pay(self) -> None:
        status = pay_as_a_browser(
            self._place.sandboxes.url("stripe"),
            intent_id=self.intent_id,
            client_secret=self._client_secret,
            payment_method="pm_card_visa",
        )
        if status != "succeeded":
            raise SaleStuck(f"the payment came to be {status}")

    def _request_batch(self) -> dict[str, Any]:
        operator = self._client(self.site.operator)
        ids = self._rows.ask(
            "SELECT r.id::text FROM vesting_release r JOIN orders_order o ON o.allocation_id = r.allocation_id"
            " WHERE o.id = %s AND r.status = 'unlocked'",
            [self.order_id],
        )
        wish = {"asset_id": self.site.asset_id, "release_ids": [row[0] for row in ids]}
        key = secrets.token_hex(16)
        return self._ask(lambda: operator.post("staff/payout-batches/", wish, key=key), 201)

    def _approve(self, batch: dict[str, Any]) -> None:
        approver = self._client(self.site.approver)
        path, plan = f"staff/payout-batches/{batch['id']}/approve/", {"plan_sha256": batch["plan_sha256"]}
        key = secrets.token_hex(16)
        self._ask(lambda: approver.post(path, plan, key=key), 200)

    def _ask(self, call: Callable[[], Answer], *statuses: int) -> dict[str, Any]:
        """Ask until there is an answer that counts. Raises SaleStuck, UnexpectedAnswer."""
        while True:
            pause_s = _PAUSE_S
            try:
                answer = call()
            except UnexpectedAnswer as nothing:
                told = str(nothing)
            else:
                if answer.status in statuses or answer.status not in _AGAIN:
                    return answer.expect(*statuses)
                told = f"{answer.request} answered {answer.status} {answer.body.get('code', '')}"
                pause_s = min(float(answer.headers.get("Retry-After", _PAUSE_S)), _LONGEST_PAUSE_S)
            self._check_time(told)
            time.sleep(pause_s)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        while not holds():
            self._check_time(f"waited for {what}: {self._rows.of(self.order_id)}")
            time.sleep(0.1)

    def _check_time(self, told: str) -> None:
        if time.monotonic() > self.deadline_s:
            raise SaleStuck(told)
