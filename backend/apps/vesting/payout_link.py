"""Releases and the payouts that carry them: putting them in, and following what became of them.

Locks (docs/locking.md): the batch and its payouts are new, or locked already by the payouts room; releases come
after them, by (unlock_at, id).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.wallets_to_pay import active_addresses, payable_wallets
from apps.core.problems import FieldError, Problem
from apps.payouts.batches import PayoutLine, RowsDisagree, batch_create, payouts_cancel_unsent
from apps.payouts.models import Payout, PayoutBatch, PayoutStatus
from apps.payouts.outcomes import Outcome, OutcomeKind
from apps.sites.models import Asset
from apps.sites.scope import current_site_id, require_scope, site_scope
from apps.vesting.freezing import freeze_what_came_back
from apps.vesting.models import Release, ReleaseStatus

RELEASES_A_BATCH = 1000

_TAKE = """
UPDATE vesting_release r SET status = 'processing', payout_id = t.payout_id
FROM unnest(%(releases)s::uuid[], %(payouts)s::uuid[]) AS t (release_id, payout_id)
WHERE r.site_id = %(site)s AND r.id = t.release_id AND r.status = 'unlocked'
"""
_IN_FLIGHT = (ReleaseStatus.PROCESSING, ReleaseStatus.HELD)


def payout_batch_request(
    *,
    asset_id: UUID,
    requested_by_id: UUID,
    release_ids: Sequence[UUID] | None = None,
    limit: int = RELEASES_A_BATCH,
    batch_id: UUID | None = None,
) -> PayoutBatch:
    """ENTRY: put unlocked releases of one asset into a batch, one payout for each beneficiary's wallet.

    With ``release_ids``: all of them or none. Without: the longest unlocked ones, at most ``limit``, of
    beneficiaries whose wallet can be paid. Raises Problem 404 unknown_asset, 409 release_not_payable, 409
    wallet_missing, 409 wallet_unproved, 409 nothing_payable.
    """
    with site_scope() as site_id:
        asset = Asset.objects.filter(site_id=site_id, id=asset_id).first()
        if asset is None:
            raise Problem("unknown_asset", 404, _("There is no such asset."))
        releases = _locked_payable(asset, release_ids, limit)
        wallets = _wallets_of(releases, asset)
        groups = _by_payout(releases, wallets)
        lines = [PayoutLine(address, sum(r.amount_base_units for r in part)) for address, part in groups]
        batch, payouts = batch_create(
            asset_id=asset_id, requested_by_id=requested_by_id, lines=lines, batch_id=batch_id
        )
        _take(
            [
                (release.id, payout)
                for payout, (_a, part) in zip(payouts, groups, strict=True)
                for release in part
            ]
        )
        return batch


def releases_follow(payout_ids: Sequence[UUID], outcome: Outcome) -> None:
    """STEP: the payouts room's outcome handler: each release follows the payout that carries it."""
    carried = Release.objects.filter(site_id=require_scope(), payout_id__in=payout_ids)
    ids = list(carried.select_for_update().order_by("unlock_at", "id").values_list("id", flat=True))
    expected = len(ids)
    match outcome.kind:
        case OutcomeKind.PAID:
            released = {"released_at": Now(), "tx_hash": outcome.tx_hash}
            changed = carried.filter(status__in=_IN_FLIGHT).update(status=ReleaseStatus.RELEASED, **released)
        case OutcomeKind.FAILED | OutcomeKind.CANCELLED:
            # Payable again under another payout; which one it was in is in the audit trail.
            changed = carried.filter(status__in=_IN_FLIGHT).update(status=ReleaseStatus.UNLOCKED, payout=None)
            freeze_what_came_back(ids)
        case OutcomeKind.HELD:
            changed = carried.filter(status=ReleaseStatus.PROCESSING).update(status=ReleaseStatus.HELD)
        case OutcomeKind.RESUMED:
            changed = carried.filter(status=ReleaseStatus.HELD).update(status=ReleaseStatus.PROCESSING)
    if changed != expected:
        raise RowsDisagree(f"{changed} of {expected} releases followed {outcome.kind}")


def payouts_follow_wallet(member_id: UUID) -> None:
    """STEP: the accounts room's follower: what is not sent yet to the address that was left becomes payable again.

    A payout that a worker has begun to send keeps its address. Whoever asks for a batch meanwhile holds the wallet.
    """
    carrying = Release.objects.filter(
        site_id=require_scope(),
        allocation__beneficiary_id=member_id,
        payout__status__in=[PayoutStatus.AWAITING_APPROVAL, PayoutStatus.READY],
    )
    if ids := sorted(set(carrying.values_list("payout_id", flat=True))):
        payouts_cancel_unsent(payout_ids=ids)


def _locked_payable(asset: Asset, release_ids: Sequence[UUID] | None, limit: int) -> list[Release]:
    payable = (
        Release.objects.select_for_update(of=("self",))
        .select_related("allocation")
        .filter(site_id=current_site_id(), status=ReleaseStatus.UNLOCKED, allocation__asset_id=asset.id)
        .order_by("unlock_at", "id")
    )
    if release_ids is None:
        wallet = payable_wallets(chain_id=asset.chain_id).filter(
            member_id=OuterRef("allocation__beneficiary_id")
        )
        found = list(payable.filter(Exists(wallet))[:limit])
        if not found:
            raise Problem("nothing_payable", 409, _("No unlocked release of this asset can be paid out now."))
        return found
    found = list(payable.filter(id__in=release_ids))
    if missing := set(release_ids) - {release.id for release in found}:
        raise _refused(
            "release_not_payable",
            _("Some releases are not unlocked releases of this asset. Nothing was done."),
            "release_ids",
            missing,
        )
    return found


def _wallets_of(releases: Sequence[Release], asset: Asset) -> dict[UUID, str]:
    """Beneficiary -> address of the active wallet, held until commit. Raises Problem 409 naming who has none.

    Held last, after unlocked releases. A change of an address holds the wallet first and then releases that are in
    payouts: never the same ones, so that neither waits for the other.
    """
    members = {release.allocation.beneficiary_id for release in releases}
    wallets = active_addresses(member_ids=members)
    if missing := members - wallets.keys():
        raise _refused(
            "wallet_missing",
            _("Some beneficiaries have no active wallet. Nothing was done."),
            "beneficiary_id",
            missing,
        )
    payable = payable_wallets(chain_id=asset.chain_id).filter(member_id__in=members)
    if unproved := members - set(payable.values_list("member_id", flat=True)):
        raise _refused(
            "wallet_unproved",
            _(
                "Some beneficiaries have not signed for their address, or not on this chain. Nothing was done."
            ),
            "beneficiary_id",
            unproved,
        )
    return wallets


def _by_payout(releases: Sequence[Release], wallets: dict[UUID, str]) -> list[tuple[str, list[Release]]]:
    """(address, its releases) for each beneficiary; two people with the same address stay two payouts."""

    def beneficiary(release: Release) -> UUID:
        who: UUID = release.allocation.beneficiary_id
        return who

    ordered = sorted(releases, key=beneficiary)  # stable: by time within a beneficiary
    return [(wallets[who], list(part)) for who, part in groupby(ordered, key=beneficiary)]


def _take(pairs: Sequence[tuple[UUID, Payout]]) -> None:
    values: dict[str, Any] = {
        "site": current_site_id(),
        "releases": [str(release_id) for release_id, _payout in pairs],
        "payouts": [str(payout.id) for _release, payout in pairs],
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if cursor.rowcount != len(pairs):
            raise RowsDisagree(f"{cursor.rowcount} of {len(pairs)} locked releases were taken")


def _refused(code: str, detail: str, field: str, ids: set[UUID]) -> Problem:
    errors = [FieldError(field=field, code=code, detail=str(one)) for one in sorted(ids)]
    return Problem(code, 409, detail, errors=errors)
