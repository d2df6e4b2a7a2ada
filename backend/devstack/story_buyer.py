"""The buyer's part of the story: join, buy, pay, and see what is owed and unlocked."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from devstack.api_client import ApiClient
from devstack.fireblocks_sandbox.amounts import to_units
from devstack.narrator import Narrator, StoryFailed
from devstack.provider_view import pay_as_a_browser, payment_event_delivery
from devstack.wallet_key import WalletKey

if TYPE_CHECKING:
    from devstack.story import Place

Json = dict[str, Any]
MOST_UNITS = 3
EVENT_WITHIN_S, PAID_WITHIN_S = 30.0, 60.0
UNLOCKED_WITHIN_S = 100.0  # the unlocking sweep comes each minute when its doorbell is lost


class BuyerStory:
    """Steps 1 to 8. What later steps need is kept: `subject`, `key`, `member`, `wallet`, `asset`, `order`."""

    def __init__(self, place: Place, narrator: Narrator, *, subject: str) -> None:
        self._place = place
        self._narrator = narrator
        self.subject = subject
        code = str(place.seed["site_code"])
        self._api = ApiClient(place.api_url, site_code=code, token=place.mint(subject))
        self._public = ApiClient(place.api_url, site_code=code)

    def tell(self) -> None:
        """All steps in order. Raises StoryFailed or UnexpectedAnswer."""
        for title, step in (
            ("Join the site", self._join),
            ("Register a wallet", self._register_wallet),
            ("Look at what is on sale", self._look_at_tiers),
            ("Buy with an Idempotency-Key, and say it twice", self._buy),
            ("Pay at Stripe, as a browser does", self._pay),
            ("Stripe's signed event arrives; process_order asks Stripe itself", self._become_paid),
            ("Allocation, schedule and releases", self._see_allocation),
            ("What is due unlocks", self._see_unlocked),
        ):
            with self._narrator.step(title):
                step()

    def schedule(self) -> Json:
        """The frozen terms of the order's allocation."""
        return self._api.get(f"vesting/allocations/{self.order['allocation_id']}/schedule/").expect(200)

    def releases(self) -> list[Json]:
        """All releases of the order's allocation, the earliest first."""
        return self._api.every("vesting/releases/", allocation_id=self.order["allocation_id"], limit="100")

    def tokens(self, base_units: int) -> str:
        """An amount as people read it."""
        return f"{to_units(base_units, self.asset['decimals'])} {self.asset['code']}"

    def _join(self) -> None:
        self.member = self._api.post("me/").expect(201)
        self._narrator.say(f"{self.subject} is a {self.member['role']} now")

    def _register_wallet(self) -> None:
        self.key = WalletKey()
        self.wallet = self._api.post("wallets/", {"address": self.key.address}).expect(201)
        if self.wallet["address"].lower() != self.key.address:
            raise StoryFailed(
                f"The wallet was registered as {self.wallet['address']}, not {self.key.address}."
            )
        self._narrator.say(f"{self.wallet['address']} (answered with its EIP-55 checksum)")

    def _look_at_tiers(self) -> None:
        now = datetime.now(UTC)
        tiers = [tier for tier in self._public.every("tiers/") if _is_open(tier, now)]
        if not tiers:
            raise StoryFailed("No tier of the site is open with units left.")
        # The one whose vesting began longest ago has most to show.
        self.tier = min(tiers, key=lambda tier: str(tier["policy"]["starts_at"] or "9999"))
        self.asset: Json = self.tier["asset"]
        for tier in tiers:
            price = _money(tier["price_minor"], tier["currency"])
            mark = "->" if tier is self.tier else "  "
            self._narrator.say(
                f"{mark} {tier['name']}: {price} for {tier['tokens_per_unit']} {tier['asset']['code']},"
                f" {tier['available_units']} of {tier['supply_units']} units left"
            )

    def _buy(self) -> None:
        units = min(
            MOST_UNITS, self.tier["available_units"], self.tier["per_buyer_limit_units"] or MOST_UNITS
        )
        wish = {"tier_id": self.tier["id"], "quantity_units": units, "wallet_id": self.wallet["id"]}
        key = secrets.token_hex(16)
        self.order = self._api.post("orders/", wish, key=key).expect(201)
        if int(self.order["tokens_base_units"]) != units * int(self.tier["tokens_per_unit_base_units"]):
            raise StoryFailed("The order is not for its quantity of the tier's tokens.")
        self._narrator.say(
            f"order {self.order['id']}: {units} units, {self.order['tokens']} {self.asset['code']}"
            f" for {_money(self.order['amount_minor'], self.order['currency'])}, {self.order['status']}"
        )
        again = self._api.post("orders/", wish, key=key)
        if again.expect(201)["id"] != self.order["id"] or not again.is_replay:
            raise StoryFailed("The same key and body again made another order.")
        self._narrator.say("the same request again: the same order, Idempotency-Replayed: true")

    def _pay(self) -> None:
        status = pay_as_a_browser(
            self._place.stripe_url,
            intent_id=self.order["payment_intent_id"],
            client_secret=self.order["client_secret"],
            payment_method="pm_card_visa",
        )
        if status != "succeeded":
            raise StoryFailed(f"The payment came to be {status}; succeeded was to be expected.")
        self._narrator.say(f"{self.order['payment_intent_id']} with pm_card_visa: {status}")

    def _become_paid(self) -> None:
        intent_id, stripe_url = self.order["payment_intent_id"], self._place.stripe_url
        self._narrator.follow(
            "payment_intent.succeeded",
            lambda: payment_event_delivery(stripe_url, intent_id=intent_id)[1],
            stages=("none", "pending", "delivered"),
            within_s=EVENT_WITHIN_S,
        )
        self._narrator.follow(
            "the order", self._order_status, stages=("pending", "paid"), within_s=PAID_WITHIN_S
        )

    def _order_status(self) -> str:
        # The client secret came with the order's making only; nothing needs it after the payment.
        self.order = self._api.get(f"orders/{self.order['id']}/").expect(200)
        return str(self.order["status"])

    def _see_allocation(self) -> None:
        allocation = self._api.get(f"vesting/allocations/{self.order['allocation_id']}/").expect(200)
        schedule, releases = self.schedule(), self.releases()
        total = sum(int(release["amount_base_units"]) for release in releases)
        if not total == int(allocation["amount_base_units"]) == int(self.order["tokens_base_units"]):
            raise StoryFailed("The releases do not sum to the allocation, or that is not what was bought.")
        self._narrator.say(f"allocation {allocation['id']}: {self.tokens(total)}")
        self._narrator.say(f"schedule from {schedule['start_at'][:10]}: {_terms(schedule)}")
        self._narrator.say(f"{len(releases)} releases, which sum to it exactly")

    def _see_unlocked(self) -> None:
        now = datetime.now(UTC).isoformat()
        due = {release["id"] for release in self.releases() if _time(release["unlock_at"]) <= _time(now)}
        if not due:
            raise StoryFailed("No release is due yet: the tier's policy should have begun in the past.")

        def unlocked() -> str:
            states = Counter(release["status"] for release in self.releases() if release["id"] in due)
            return f"{states['unlocked']} of {len(due)} unlocked"

        stages = [f"{count} of {len(due)} unlocked" for count in range(len(due) + 1)]
        self._narrator.follow("due releases", unlocked, stages=stages, within_s=UNLOCKED_WITHIN_S)


def _is_open(tier: Json, now: datetime) -> bool:
    closes = tier["closes_at"]
    return (
        _time(tier["opens_at"]) <= now and (not closes or _time(closes) > now) and tier["available_units"] > 0
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _money(amount_minor: int, currency: str) -> str:
    # Every currency of the demo site has two decimals.
    return f"{amount_minor // 100}.{amount_minor % 100:02} {currency}"


def _terms(schedule: Json) -> str:
    at_start, rest = divmod(schedule["tge_basis_points"], 100)
    cliff = f", cliff {schedule['cliff_count']} {schedule['cliff_unit']}" if schedule["cliff_count"] else ""
    every = f"{schedule['period_count']} {schedule['period_unit']}"
    return f"{at_start}.{rest:02} % at the start{cliff}, then {schedule['parts']} equal parts every {every}"
