"""Making policies. A policy's terms never change: the same name again is its next version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.problems import Problem, invalid
from apps.sites.models import Asset
from apps.sites.scope import site_scope
from apps.vesting.models import EARLIEST_START, LATEST_START, VestingPolicy
from apps.vesting.schedule import (
    MAX_BASE_UNITS,
    Plan,
    Terms,
    TermsError,
    accrual_of,
    probe_total,
    refuse_below,
    refuse_start_dependent,
)
from apps.vesting.stored_terms import columns_of, dated_parts, refusal_of, terms_in, terms_of


def policy_create(
    *, name: str, starts_at: datetime | None = None, terms: object = None, **columns: int | str
) -> VestingPolicy:
    """ENTRY: a policy from ``terms`` as JSON, or the columns of version 1; version 1, or one more than the name has.

    Raises Problem 400 with the code of schedule.TermsError and the path of the fault, 409 policy_version_taken.
    """
    with site_scope() as site_id:
        stored = _possible(terms, columns, starts_at)
        newest = VestingPolicy.objects.filter(site_id=site_id, name=name).aggregate(Max("version"))
        version = (newest["version__max"] or 0) + 1
        try:
            with transaction.atomic():
                return VestingPolicy.objects.create(name=name, version=version, starts_at=starts_at, **stored)
        except IntegrityError as error:
            if "vestingpolicy_version_once" not in str(error):
                raise
            raise Problem(
                "policy_version_taken", 409, _("Somebody made this version a moment ago. Look at it first.")
            ) from error


def policy_terms(
    *, terms: object, columns: Mapping[str, Any], starts_at: datetime | None
) -> tuple[dict[str, Any], Terms | Plan]:
    """STEP: values of TERMS_FIELDS, and the terms they hold, which hold on any day. Raises TermsError."""
    if starts_at is not None and not EARLIEST_START <= starts_at <= LATEST_START:
        raise TermsError("date_out_of_range", "a start lies between the years 2000 and 2200")
    stored = columns_of(terms, columns)
    made = terms_in(stored)
    if isinstance(made, Terms) and made.parts and made.tge_basis_points == 10_000:
        raise TermsError("parts_not_needed", "everything is paid at the start: there is nothing for parts")
    if isinstance(made, Plan) and starts_at is None:
        refuse_start_dependent(made)
    return stored, made


def policy_columns(
    *, terms: object, columns: Mapping[str, Any], starts_at: datetime | None
) -> dict[str, Any]:
    """STEP: values of TERMS_FIELDS for a policy that can be sold. Raises TermsError.

    A policy is sold long before it is applied: what cannot become a schedule is refused now.
    """
    stored, made = policy_terms(terms=terms, columns=columns, starts_at=starts_at)
    # The largest amount has every part; a payment comes at any time until then.
    total = probe_total(made) if isinstance(made, Plan) else MAX_BASE_UNITS
    dated_parts(total, made, starts_at or timezone.now())
    return stored


def policy_refuse_unfit(*, policy: VestingPolicy, asset: Asset, smallest_base_units: int) -> None:
    """STEP: raises TermsError when an order of that many base units, or of more, would make no schedule.

    It would be found when the buyer has paid.
    """
    terms = terms_of(policy)
    start_at = policy.starts_at or max(timezone.now(), asset.generation_at or timezone.now())
    if isinstance(terms, Plan):
        refuse_below(smallest_base_units, terms, start_at)
    accrual_of(smallest_base_units, terms, start_at, generation_at=asset.generation_at)


def _possible(terms: object, columns: Mapping[str, Any], starts_at: datetime | None) -> dict[str, Any]:
    try:
        return policy_columns(terms=terms, columns=columns, starts_at=starts_at)
    except TermsError as error:
        raise invalid([refusal_of(error)]) from error
