"""Vesting arithmetic: plain functions on integers and dates, with no database in it.

Amounts are whole base units (up to 2**256 - 1), percentages are basis points, instants are aware UTC.
"""

from apps.vesting.schedule.accrual import Accrual, Curve, Ramp
from apps.vesting.schedule.accruing import accrual_of, refuse_below
from apps.vesting.schedule.anytime import probe_total, refuse_start_dependent
from apps.vesting.schedule.dates import PeriodUnit, Span
from apps.vesting.schedule.equal import MAX_BASE_UNITS, MAX_PARTS, NEVER, Part, Terms, parts_of, vested_at
from apps.vesting.schedule.faults import TermsError
from apps.vesting.schedule.plan import Plan
from apps.vesting.schedule.reading import terms_read
from apps.vesting.schedule.remainders import Remainders

__all__ = [
    "MAX_BASE_UNITS",
    "MAX_PARTS",
    "NEVER",
    "Accrual",
    "Curve",
    "Part",
    "PeriodUnit",
    "Plan",
    "Ramp",
    "Remainders",
    "Span",
    "Terms",
    "TermsError",
    "accrual_of",
    "parts_of",
    "probe_total",
    "refuse_below",
    "refuse_start_dependent",
    "terms_read",
    "vested_at",
]
