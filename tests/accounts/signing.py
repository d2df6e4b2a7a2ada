"""Wallets that sign, and what the API is asked with what they signed."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from apps.accounts.addresses import checksum_address
from apps.accounts.models import Membership
from apps.accounts.wallet_models import ProofPurpose
from apps.accounts.wallet_proofs import SignedMessage, message_for
from apps.sites.scope import bind_site
from devstack.wallet_key import WalletKey
from tests.clients import api_of
from tests.factories import make_asset, make_member, make_site, make_wallet

MESSAGES, WALLETS, CHANGES = "/api/v1/wallets/messages/", "/api/v1/wallets/", "/api/v1/wallet-changes/"
DOMAIN = "sale.example.test"


class Signer(WalletKey):
    """A key and its address with the checksum."""

    def __init__(self) -> None:
        super().__init__()
        self.address = checksum_address(self.address)


def message_of(client: APIClient, purpose: str, address: str, chain_id: int = 1) -> str:
    """The message that the API wants signed."""
    answer = client.post(MESSAGES, {"purpose": purpose, "address": address, "chain_id": chain_id})
    assert answer.status_code == 200, answer.content
    return str(answer.json()["message"])


def proof(client: APIClient, signer: Signer, purpose: str, address: str) -> dict[str, str]:
    """A fresh message about ``address``, signed."""
    message = message_of(client, purpose, address)
    return {"message": message, "signature": signer.sign(message)}


def signed_by(member: Membership, signer: Signer, purpose: ProofPurpose, address: str) -> SignedMessage:
    """The same without the API."""
    with bind_site(member.site.id):
        said = message_for(member_id=member.id, purpose=purpose, address=address, chain_id=1)
    return SignedMessage(str(said), signer.sign(str(said)))


class Holder:
    """A member of a site with one asset on chain 1, whose active wallet is ``old``; ``new`` is to follow."""

    def __init__(self, member: Membership | None = None, **site: Any) -> None:
        if member is None:
            where = make_site(**{"wallet_domain": DOMAIN} | site)
            make_asset(where)
            member = make_member(where)
        self.member, self.site = member, member.site
        self.old, self.new = Signer(), Signer()
        self.wallet = make_wallet(member, self.old.address)
        self.client = api_of(member)

    def wish(self, *, by_old: bool = True, **more: Any) -> dict[str, Any]:
        """The body that asks for the change, freshly signed."""
        body: dict[str, Any] = {
            "new_address": self.new.address,
            "new_proof": proof(self.client, self.new, "move", self.new.address),
        }
        if by_old:
            body["old_proof"] = proof(self.client, self.old, "leave", self.new.address)
        else:
            body["reason"] = "the phone was stolen"
        return body | more

    def change(self, **wish: Any) -> Any:
        """The API's answer to the wish."""
        return self.client.post(CHANGES, self.wish(**wish))
