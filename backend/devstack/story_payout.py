"""The staff's part of the story: ask, approve by another person, send, and compare with custody's own books."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from devstack.api_client import ApiClient
from devstack.narrator import Narrator, StoryFailed
from devstack.provider_view import transfer_event_delivery, transfers_to
from devstack.story_buyer import BuyerStory

if TYPE_CHECKING:
    from devstack.story import Place

Json = dict[str, Any]
PAID_WITHIN_S, EVENT_WITHIN_S = 90.0, 30.0


class PayoutStory:
    """Steps 9 to 12, with what the buyer's steps left."""

    def __init__(self, place: Place, narrator: Narrator, *, buyer: BuyerStory) -> None:
        self._fireblocks_url = place.fireblocks_url
        self._narrator = narrator
        self._buyer = buyer
        code, staff = str(place.seed["site_code"]), place.seed["staff"]
        self._operator, self._approver = (
            ApiClient(place.api_url, site_code=code, token=place.mint(staff[role]))
            for role in ("operator", "approver")
        )

    def tell(self) -> None:
        """All steps in order. Raises StoryFailed or UnexpectedAnswer."""
        for title, step in (
            ("An operator asks to pay the unlocked releases out", self._request_batch),
            ("Another person approves the plan", self._approve),
            ("Custody sends, and its signed event settles the payout", self._send),
            ("Compare with what custody says it sent", self._compare),
        ):
            with self._narrator.step(title):
                step()

    def _request_batch(self) -> None:
        payable = self._operator.every(
            "staff/vesting/releases/", beneficiary_id=self._buyer.member["id"], status="unlocked", limit="100"
        )
        if not payable:
            raise StoryFailed("Staff see no unlocked release of the buyer.")
        self._paid_ids = [release["id"] for release in payable]
        self._total = sum(int(release["amount_base_units"]) for release in payable)
        wish = {"asset_id": payable[0]["asset_id"], "release_ids": self._paid_ids}
        key = secrets.token_hex(16)
        self._batch = self._operator.post("staff/payout-batches/", wish, key=key).expect(201)
        again = self._operator.post("staff/payout-batches/", wish, key=key)
        if again.expect(201)["id"] != self._batch["id"] or not again.is_replay:
            raise StoryFailed("The same key and body again made another batch.")
        if int(self._batch["total_base_units"]) != self._total or self._batch["payout_count"] != 1:
            raise StoryFailed("The batch is not one payout of the releases' sum.")
        if self._batch["rule"] != "two_people":
            raise StoryFailed(f"The batch is under the rule {self._batch['rule']}, not two_people.")
        self._narrator.say(
            f"batch {self._batch['id']}: {len(payable)} releases, {self._batch['payout_count']} payout,"
            f" {self._buyer.tokens(self._total)} (and its repeat: the same batch)"
        )
        self._narrator.say(f"plan {self._batch['plan_sha256']}")

    def _approve(self) -> None:
        path = f"staff/payout-batches/{self._batch['id']}/approve/"
        plan = {"plan_sha256": self._batch["plan_sha256"]}
        refusal = self._operator.post(path, plan, key=secrets.token_hex(16)).expect(403)
        self._narrator.say(f"who asked for it is refused: 403 {refusal['code']}")
        approved = self._approver.post(path, plan, key=secrets.token_hex(16)).expect(200)
        if approved["status"] != "approved" or approved["decided_by_id"] == approved["requested_by_id"]:
            raise StoryFailed(f"The batch is {approved['status']}, decided by {approved['decided_by_id']}.")
        self._narrator.say("the approver approves that plan: approved")

    def _send(self) -> None:
        stages = ("ready", "submitting", "submitted", "paid")
        self._narrator.follow("the payout", self._payout_status, stages=stages, within_s=PAID_WITHIN_S)
        [self._attempt] = self._payout["attempts"]
        self._narrator.say(f"attempt {self._attempt['external_id']}, sent {self._attempt['sends']} time(s)")
        self._narrator.follow(
            "custody's COMPLETED event",
            lambda: transfer_event_delivery(
                self._fireblocks_url, transfer_id=self._attempt["provider_transfer_id"]
            )[1],
            stages=("none", "pending", "delivered"),
            within_s=EVENT_WITHIN_S,
        )

    def _payout_status(self) -> str:
        [self._payout] = self._operator.every(f"staff/payout-batches/{self._batch['id']}/payouts/")
        return str(self._payout["status"])

    def _compare(self) -> None:
        paid = [release for release in self._buyer.releases() if release["id"] in self._paid_ids]
        marks = {(release["status"], release["tx_hash"]) for release in paid}
        if len(paid) != len(self._paid_ids) or marks != {("released", self._payout["tx_hash"])}:
            raise StoryFailed(f"Not every release is released under the payout's hash: {sorted(marks)}")
        sent = transfers_to(
            self._fireblocks_url,
            address=self._buyer.wallet["address"],
            decimals=self._buyer.asset["decimals"],
        )
        if len(sent) != 1:
            raise StoryFailed(f"Custody holds {len(sent)} transfers to this buyer, not one.")
        [transfer] = sent
        ours = (self._total, self._payout["tx_hash"], self._attempt["external_id"])
        theirs = (transfer["base_units"], transfer["txHash"], transfer["externalTxId"])
        if ours != theirs:
            raise StoryFailed(f"We say {ours}, custody says {theirs}.")
        self._narrator.say(f"{len(paid)} releases released, {transfer['txHash']}")
        self._narrator.say(f"ours    {self._total} base units")
        self._narrator.say(f"custody {transfer['base_units']} base units, in exactly one transfer")
