"""What may happen to tokens that are owed: another address, a revocation, and a statement of it all."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from devstack.api_client import ApiClient
from devstack.narrator import Narrator, StoryFailed
from devstack.story_buyer import BuyerStory
from devstack.wallet_key import WalletKey

if TYPE_CHECKING:
    from devstack.story import Place

Json = dict[str, Any]
SETTLED_AFTER = timedelta(seconds=62)  # a statement is of an instant that nothing under way can still change


class LifeStory:
    """The steps after the payout, with what the buyer's steps left."""

    def __init__(self, place: Place, narrator: Narrator, *, buyer: BuyerStory) -> None:
        self._narrator = narrator
        self._buyer = buyer
        code, staff = str(place.seed["site_code"]), place.seed["staff"]
        self._member = ApiClient(place.api_url, site_code=code, token=place.mint(buyer.subject))
        self._operator = ApiClient(place.api_url, site_code=code, token=place.mint(staff["operator"]))

    def tell(self) -> None:
        """All steps in order. Raises StoryFailed or UnexpectedAnswer."""
        for title, step in (
            ("Another address: both keys sign, a cooling-off begins", self._change_wallet),
            ("It was not meant: the beneficiary stops it", self._stop_change),
            ("Staff revoke what is not vested", self._revoke),
            ("A statement, of an instant that nothing can change any more", self._state),
        ):
            with self._narrator.step(title):
                step()

    def _change_wallet(self) -> None:
        new = WalletKey()
        wish = {
            "new_address": new.address,
            "new_proof": self._proof(new, "move", new.address),
            "old_proof": self._proof(self._buyer.key, "leave", new.address),
        }
        self._change = self._member.post("wallet-changes/", wish).expect(201)
        if self._change["status"] != "cooling_off":
            raise StoryFailed(f"The change is {self._change['status']}, not cooling_off.")
        self._narrator.say(f"{self._change['new_address']} is to follow at {self._change['active_at'][:16]}")

    def _proof(self, key: WalletKey, purpose: str, address: str) -> Json:
        wish = {"purpose": purpose, "address": address, "chain_id": self._buyer.asset["chain_id"]}
        message = self._member.post("wallets/messages/", wish).expect(200)["message"]
        return {"message": message, "signature": key.sign(message)}

    def _stop_change(self) -> None:
        path = f"wallet-changes/{self._change['id']}/stop/"
        stopped = self._member.post(path, {"reason": "a wrong click"}).expect(200)
        [wallet] = self._member.every("wallets/")
        if stopped["status"] != "stopped" or wallet["address"] != self._buyer.wallet["address"]:
            raise StoryFailed("The change was not stopped, or the address is another one.")
        self._narrator.say(f"stopped; tokens go to {wallet['address']} as before")

    def _revoke(self) -> None:
        allocation_id = self._buyer.order["allocation_id"]
        path = f"staff/vesting/allocations/{allocation_id}/revocations/"
        wish = {"scope": "unvested", "reason": "the demo's own"}
        revoked = self._operator.post(path, wish, key=secrets.token_hex(16)).expect(201)
        self._sums = self._by_state()
        if self._sums.get("locked") or sum(self._sums.values()) != int(
            self._buyer.order["tokens_base_units"]
        ):
            raise StoryFailed(f"What is left does not add up: {self._sums}")
        self._narrator.say(f"revocation {revoked['id']}: {revoked['state']}")
        for state, base_units in self._sums.items():
            self._narrator.say(f"{state:>9} {self._buyer.tokens(base_units)}")

    def _by_state(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for release in self._buyer.releases():
            sums[release["status"]] = sums.get(release["status"], 0) + int(release["amount_base_units"])
        return sums

    def _state(self) -> None:
        as_of = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
        due_s = time.monotonic() + SETTLED_AFTER.total_seconds()

        def clock() -> str:
            return "settled" if time.monotonic() >= due_s else "not settled"

        within_s = SETTLED_AFTER.total_seconds() + 5
        self._narrator.follow("the instant", clock, stages=("not settled", "settled"), within_s=within_s)
        asked = {"as_of": as_of.isoformat().replace("+00:00", "Z")}
        statement, again = (self._member.get("vesting/statement/", **asked).expect(200) for _time in range(2))
        if statement != again or statement["sha256"] != _digest(statement):
            raise StoryFailed("The statement is not the same twice, or its hash is not that of its content.")
        self._narrator.say(
            f"as of {statement['as_of']}: sha256 {statement['sha256'][:16]}..., twice the same bytes"
        )
        self._compare(statement)

    def _compare(self, statement: Json) -> None:
        [allocation] = statement["allocations"]
        for state, base_units in self._sums.items():
            if int(allocation["base_units"][state]) != base_units:
                raise StoryFailed(
                    f"The statement says {allocation['base_units'][state]} {state}, not {base_units}."
                )
        self._narrator.say("it says of each state what the releases say")


def _digest(statement: Json) -> str:
    """As docs/vesting-life.md describes it, so that anybody can check a statement without our code."""
    rest = {name: value for name, value in statement.items() if name != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{text}\n".encode()).hexdigest()
