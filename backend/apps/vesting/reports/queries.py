"""The figures of a site's reports. Days begin at midnight in the site's time zone.

What each costs grows with what it adds up, and it is one statement each: the calendar with the locked releases of the
next year (by their partial index), supply with the site's releases, policies with its allocations.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from apps.core.amounts import format_base_units
from apps.sites.models import Asset, Site
from apps.sites.scope import current_site_id
from apps.vesting.models import Allocation, Release, ReleaseStatus, VestingSchedule

CALENDAR = timedelta(days=366)
SUPPLY_DAYS = 366
SUPPLY = ("granted", "unlocked", "released")
Rows = list[dict[str, Any]]


def unlock_calendar() -> Rows:
    """By asset, the days of the next 12 months on which locked releases fall due: how many, and base units.

    What is frozen is left out: when it goes on is not known.
    """
    now = timezone.now()
    due = Release.objects.filter(
        site_id=current_site_id(),
        status=ReleaseStatus.LOCKED,
        unlock_at__gte=now,
        unlock_at__lt=now + CALENDAR,
    )
    days: dict[UUID, Rows] = defaultdict(list)
    for asset_id, day, count, amount in _by_day(due, "unlock_at").annotate(
        Count("id"), Sum("amount_base_units")
    ):
        days[asset_id].append({"day": day, "releases": count, "amount_base_units": int(amount)})
    return [{**asset, "days": _with_tokens(days[asset["asset_id"]], asset)} for asset in _assets(days)]


def supply() -> Rows:
    """By asset, base units granted, unlocked and released at the end of each day on which one of them changed.

    Of releases that are not revoked by now, by their own times; of more than a year, the last 366 such days.
    """
    whole = Release.objects.filter(site_id=current_site_id()).exclude(
        status__in=[ReleaseStatus.REPLACED, ReleaseStatus.REVOKED]
    )
    granted = Allocation.objects.filter(site_id=current_site_id()).annotate(
        day=TruncDate("created_at", tzinfo=_zone())
    )
    changes: dict[UUID, dict[date, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    by_day = granted.order_by("asset_id", "day").values_list("asset_id", "day")
    for name, rows in (
        ("granted", by_day),
        ("unlocked", _by_day(whole.filter(unlocked_at__isnull=False), "unlocked_at")),
        ("released", _by_day(whole.filter(released_at__isnull=False), "released_at")),
    ):
        for asset_id, day, amount in rows.annotate(Sum("amount_base_units")):
            changes[asset_id][day][name] = int(amount)
    return [{**asset, "days": _summed(changes[asset["asset_id"]])} for asset in _assets(changes)]


def by_policy() -> Rows:
    """Allocations and base units granted under each version of each policy, by asset."""
    policy = ("policy_id", "policy__name", "policy__version", "allocation__asset_id")
    rows = VestingSchedule.objects.filter(site_id=current_site_id()).order_by(*policy[1:], policy[0])
    counted = list(rows.values_list(*policy).annotate(Count("id"), Sum("total_base_units")))
    assets = {asset["asset_id"]: asset for asset in _assets({row[3] for row in counted})}
    return [
        {
            "policy_id": policy_id,
            "name": name,
            "version": version,
            **assets[asset_id],
            "allocations": count,
            "amount_base_units": int(amount),
            "amount_tokens": format_base_units(int(amount), assets[asset_id]["decimals"]),
        }
        for policy_id, name, version, asset_id, count, amount in counted
    ]


def _by_day(rows: QuerySet[Release], column: str) -> QuerySet[Any, Any]:
    """(asset, day) of that column, to be annotated, by asset and day."""
    dated = rows.annotate(day=TruncDate(column, tzinfo=_zone()))
    return dated.order_by("allocation__asset_id", "day").values_list("allocation__asset_id", "day")


def _zone() -> ZoneInfo:
    return ZoneInfo(Site.objects.values_list("time_zone", flat=True).get(id=current_site_id()))


def _assets(ids: Any) -> Rows:
    rows = Asset.objects.filter(site_id=current_site_id(), id__in=list(ids)).order_by("code", "id")
    return [
        {"asset_id": asset_id, "asset_code": code, "decimals": decimals}
        for asset_id, code, decimals in rows.values_list("id", "code", "decimals")
    ]


def _with_tokens(days: Rows, asset: dict[str, Any]) -> Rows:
    return [
        {**day, "amount_tokens": format_base_units(day["amount_base_units"], asset["decimals"])}
        for day in days
    ]


def _summed(changes: dict[date, dict[str, int]]) -> Rows:
    sums, days = dict.fromkeys(SUPPLY, 0), []
    for day in sorted(changes):
        for name, amount in changes[day].items():
            sums[name] += amount
        days.append({"day": day, **{f"{name}_base_units": amount for name, amount in sums.items()}})
    return days[-SUPPLY_DAYS:]
