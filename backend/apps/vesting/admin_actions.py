"""Asking for a payout of releases in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.amounts import format_base_units
from apps.sites.models import Asset
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.place import StaffPlace
from apps.vesting.models import Release, ReleaseStatus
from apps.vesting.payout_link import payout_batch_request


class AssetOfReleases(forms.Form):
    """A batch is of one asset; which one the page showed comes back with the wish."""

    asset_id = forms.UUIDField(widget=forms.HiddenInput)


class RequestPayout(EntryAction):
    """Puts the chosen releases into one batch, which another person then approves."""

    name = "request-payout"
    title = gettext_lazy("Request payout of selected")

    def fits(self, row: Release) -> bool:
        return row.status == ReleaseStatus.UNLOCKED

    def facts(self, rows: Sequence[Release]) -> list[tuple[Any, Any]]:
        totals = [
            f"{format_base_units(total, asset.decimals)} {asset.code}" for asset, total in _totals(rows)
        ]
        waiting = sum(row.status != ReleaseStatus.UNLOCKED for row in rows)
        return [
            (_("Releases"), len(rows)),
            (_("Beneficiaries"), len({row.allocation.beneficiary_id for row in rows})),
            (_("Total"), ", ".join(totals)),
            (_("Not payable now"), waiting),
        ]

    def form(self, rows: Sequence[Release], data: Any = None) -> forms.Form:
        return AssetOfReleases(data, initial={"asset_id": rows[0].allocation.asset_id})

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        batch = payout_batch_request(
            asset_id=data["asset_id"], requested_by_id=place.member_id, release_ids=ids
        )
        said = _("Payout batch %(batch)s: %(status)s.")
        return said % {"batch": batch.id, "status": batch.get_status_display()}


def _totals(rows: Sequence[Release]) -> list[tuple[Asset, int]]:
    totals: dict[Asset, int] = {}
    for row in rows:
        asset = row.allocation.asset
        totals[asset] = totals.get(asset, 0) + int(row.amount_base_units)
    return list(totals.items())
