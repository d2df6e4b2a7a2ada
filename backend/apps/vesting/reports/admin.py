"""The reports as a page of the admin, with pictures."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import accumulate
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from apps.core.amounts import format_base_units
from apps.sites.scoped_admin.base import ScopedAdmin
from apps.vesting.curve_drawing import Picture, Series, draw_svg
from apps.vesting.models import COUNTED, ReleaseStatus
from apps.vesting.queries import AssetSums, sums_by_asset
from apps.vesting.reports.queries import SUPPLY, by_policy, supply, unlock_calendar

_COLOURS = dict(zip(SUPPLY, ("#2563eb", "#d97706", "#059669"), strict=True))
_TITLES = {
    "granted": gettext_lazy("Granted"),
    "unlocked": gettext_lazy("Unlocked"),
    "released": gettext_lazy("Released"),
}


class HasReports(ScopedAdmin):
    """Adds the page to a model's pages; whoever may look at the site's rows may read it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.reports_view)
        return [path("reports/", view, name="vesting_allocation_reports"), *super().get_urls()]

    @method_decorator(require_safe)
    def reports_view(self, request: HttpRequest) -> HttpResponse:
        """Supply over time, the unlock calendar and allocations by policy of the chosen site."""
        calendar = unlock_calendar()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Reports"),
            "opts": self.opts,
            # draw_svg escapes every text that it writes.
            "supply": [mark_safe(draw_svg(_supply_picture(asset))) for asset in supply()],  # noqa: S308
            "calendar": [
                (asset, mark_safe(draw_svg(_calendar_picture(asset))))  # noqa: S308
                for asset in calendar
            ],
            "states": [str(ReleaseStatus(name).label) for name in COUNTED],
            "now": [(sums.asset_code, _tokens(sums)) for sums in sums_by_asset()],
            "policies": by_policy(),
        }
        return TemplateResponse(request, "admin/vesting_reports.html", context)


def _tokens(sums: AssetSums) -> list[str]:
    return [format_base_units(int(sums.by_status[name]), sums.decimals) for name in COUNTED]


def _supply_picture(asset: dict[str, Any]) -> Picture:
    ends = [_midnight(day["day"]) + timedelta(days=1) for day in asset["days"]]
    series = [
        Series(
            str(_TITLES[name]),
            [(ends[0] - timedelta(days=1), 0)]
            + [(end, day[f"{name}_base_units"]) for end, day in zip(ends, asset["days"], strict=True)],
            colour=_COLOURS[name],
        )
        for name in SUPPLY
    ]
    code = asset["asset_code"]
    return Picture(_("%s: supply") % code, series, asset["decimals"], code)


def _calendar_picture(asset: dict[str, Any]) -> Picture:
    sums = accumulate(day["amount_base_units"] for day in asset["days"])
    points = [(_midnight(day["day"]), total) for day, total in zip(asset["days"], sums, strict=True)]
    series = [Series(_("Unlocks, added up"), [(points[0][0], 0), *points], colour=_COLOURS["unlocked"])]
    code = asset["asset_code"]
    return Picture(_("%s: the next 12 months") % code, series, asset["decimals"], code)


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), UTC)
