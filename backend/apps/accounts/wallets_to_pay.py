"""Which wallets tokens may be sent to, for the rooms that pay."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection
from django.db.models import Exists, Q, QuerySet

from apps.accounts.models import Wallet
from apps.accounts.queries import proofs_of_wallet
from apps.accounts.wallet_models import ProofMethod
from apps.sites.models import Site
from apps.sites.scope import current_site_id, require_scope

_HOLD = """
SELECT member_id, address FROM accounts_wallet
WHERE site_id = %(site)s AND member_id = ANY(%(members)s) AND is_active ORDER BY member_id FOR SHARE
"""


def payable_wallets(*, chain_id: int) -> QuerySet[Wallet]:
    """Active wallets that may be paid on this chain.

    A contract is paid only on a chain on which it has signed: elsewhere nobody may hold that address. A wallet of
    which nothing was signed is paid unless the site wants proofs.
    """
    proofs = proofs_of_wallet()
    here = Exists(proofs.filter(Q(method=ProofMethod.EIP191) | Q(chain_id=chain_id)))
    active = Wallet.objects.filter(site_id=current_site_id(), is_active=True)
    if Site.objects.values_list("wallet_proof_required", flat=True).get(id=current_site_id()):
        return active.filter(here)
    return active.filter(here | ~Exists(proofs))


def active_addresses(*, member_ids: Collection[UUID]) -> dict[UUID, str]:
    """STEP: member -> address of the active wallet, which cannot be left until this transaction ends."""
    members = sorted(member_ids)
    held = _hold(members)
    # One that was left while we waited has no row any more in that statement; the new one is in the next.
    missing = [member for member in members if member not in held]
    return {**held, **_hold(missing)} if missing else held


def _hold(member_ids: list[UUID]) -> dict[UUID, str]:
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, {"site": require_scope(), "members": member_ids})
        return dict(cursor.fetchall())
