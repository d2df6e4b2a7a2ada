"""Making policies. A policy's terms never change: the same name again is its next version."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.core.problems import Problem, invalid
from apps.sites.scope import site_scope
from apps.vesting.models import EARLIEST_START, LATEST_START, VestingPolicy
from apps.vesting.schedule import MAX_BASE_UNITS, Terms, TermsError, parts_of


def policy_create(*, name: str, starts_at: datetime | None = None, **terms: int | str) -> VestingPolicy:
    """ENTRY: a policy from the columns of ``schedule.Terms``; version 1, or one more than the name has.

    Raises Problem 400 with the code of schedule.TermsError, 409 policy_version_taken.
    """
    _refuse_impossible(terms, starts_at)
    with site_scope() as site_id:
        newest = VestingPolicy.objects.filter(site_id=site_id, name=name).aggregate(Max("version"))
        version = (newest["version__max"] or 0) + 1
        try:
            with transaction.atomic():
                return VestingPolicy.objects.create(name=name, version=version, starts_at=starts_at, **terms)
        except IntegrityError as error:
            if "vestingpolicy_version_once" not in str(error):
                raise
            raise Problem(
                "policy_version_taken", 409, _("Somebody made this version a moment ago. Look at it first.")
            ) from error


def _refuse_impossible(terms: dict[str, int | str], starts_at: datetime | None) -> None:
    """A policy is sold long before it is applied: what cannot become a schedule is refused now."""
    try:
        if starts_at is not None and not EARLIEST_START <= starts_at <= LATEST_START:
            raise TermsError("date_out_of_range", "a start lies between the years 2000 and 2200")
        made = Terms(**terms)  # type: ignore[arg-type]  # Terms checks each type itself
        if made.parts and made.tge_basis_points == 10_000:
            raise TermsError(
                "parts_not_needed", "everything is paid at the start: there is nothing for parts"
            )
        # The largest amount has every part; a payment comes at any time until then.
        parts_of(MAX_BASE_UNITS, made, starts_at or timezone.now())
    except TermsError as error:
        raise invalid([{"field": "", "code": error.code, "detail": str(error)}]) from error
