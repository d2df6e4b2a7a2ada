"""From terms as they are asked for to the columns that hold them, and back.

Version 1 is six columns, version 2 is one JSON value; PostgreSQL refuses a row that has both or neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from apps.core.problems import FieldError
from apps.sites.models import Site
from apps.sites.scope import require_scope
from apps.vesting.models import COLUMNS_OF_VERSION_1, VestingPolicy, VestingSchedule
from apps.vesting.schedule import (
    Part,
    PeriodUnit,
    Plan,
    Terms,
    TermsError,
    accrual_of,
    parts_of,
    terms_read,
)

_DEFAULTS = {
    "cliff_count": 0,
    "cliff_unit": PeriodUnit.MONTH.value,
    "period_count": 1,
    "period_unit": PeriodUnit.MONTH.value,
}


def columns_of(terms: object, columns: Mapping[str, Any]) -> dict[str, Any]:
    """STEP: values of all TERMS_FIELDS from ``terms`` (JSON; None: version 1) or from columns of version 1.

    Terms of version 2 that name no time zone get the site's, so that they never change with it. Raises TermsError,
    terms_twice when both are given.
    """
    given = {name: value for name, value in columns.items() if value is not None}
    if terms is None:
        return _version_1(Terms(**given))
    # A form sends its defaults along, which say nothing.
    if any(_DEFAULTS.get(name) != value for name, value in given.items()):
        raise TermsError("terms_twice", "either terms or the fields beside it")
    if isinstance(terms, Mapping) and terms.get("version") == 2 and "time_zone" not in terms:
        terms = {**terms, "time_zone": Site.objects.get(id=require_scope()).time_zone}
    read = terms_read(terms)
    if isinstance(read, Terms):
        return _version_1(read)
    return {**dict.fromkeys(COLUMNS_OF_VERSION_1), "terms": terms}


def _version_1(terms: Terms) -> dict[str, Any]:
    columns = asdict(terms)
    # Plain text: an enum's member would be shown by its name where the row is read before it is fetched again.
    units = {name: str(columns[name]) for name in ("cliff_unit", "period_unit")}
    return {**columns, **units, "terms": None}


def terms_in(columns: Mapping[str, Any]) -> Terms | Plan:
    """The terms that such columns hold. Raises TermsError."""
    if columns["terms"] is not None:
        return terms_read(columns["terms"])
    return Terms(**{name: columns[name] for name in COLUMNS_OF_VERSION_1})


def terms_of(row: VestingPolicy | VestingSchedule) -> Terms | Plan:
    """The terms that a policy or a schedule holds. Raises TermsError."""
    return terms_in({"terms": row.terms, **{name: getattr(row, name) for name in COLUMNS_OF_VERSION_1}})


def dated_parts(total_base_units: int, terms: Terms | Plan, start_at: datetime) -> list[Part]:
    """The releases to be made, which sum to the total; those of version 1 as ever. Raises TermsError."""
    if isinstance(terms, Terms):
        return parts_of(total_base_units, terms, start_at)
    return accrual_of(total_base_units, terms, start_at).parts()


def refusal_of(error: TermsError) -> FieldError:
    """What is wrong, where in the body, and what to do about it."""
    field = f"terms.{error.path}" if error.path else ""
    advice = _advice().get(error.code, "")
    return FieldError(field=field, code=error.code, detail=f"{error}. {advice}".rstrip(". "))


def _advice() -> dict[str, str]:
    return {
        "amount_below_parts": _("Sell more base units at once, or make fewer or larger parts."),
        "amounts_fixed": _('Give one share "rest".'),
        "amounts_not_total": _('Give one share "rest", or make the amounts the total.'),
        "before_generation": _("Begin later, or correct the asset's generation event."),
        "cliff_before_start": _("Move the cliff behind the start of its segment."),
        "cliff_beyond_end": _("Shorten the cliff, or add parts."),
        "cliff_may_outlast": _("Count cliff and segment in the same unit, or set starts_at."),
        "continuous": _("Use parts by the day, for now."),
        "milestone_twice": _("Give each its own code."),
        "milestone_with_unlock": _("Leave the unlock clock out, or date what is a milestone."),
        "dates_need_start": _("Set starts_at, or count from the start with after."),
        "percentages_not_whole": _('Make the basis points 10000, or give one share "rest".'),
        "terms_twice": _("Leave one of them out."),
        "time_zone_unknown": _("Use a name such as Asia/Taipei."),
        "too_many_releases": _("Use longer periods."),
        "tranche_before_start": _("Move the tranche behind the start, or the start before it."),
        "tranches_out_of_order": _("Order the tranches by date, each date once."),
    }
