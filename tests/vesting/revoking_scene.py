"""An allocation that is partly vested, and staff who revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from apps.accounts.models import Membership
from apps.vesting.models import Release
from apps.vesting.revoking import (
    revocation_approve,
    revocation_ask,
    revocation_decline,
    revocation_do_next,
    revocation_stop,
)
from apps.vesting.revoking_models import Revocation
from tests.databases import rules_off
from tests.factories import in_site
from tests.vesting.test_revocation import Vested

HALFWAY = timedelta(days=200)


class Revoking(Vested):
    """13 releases, of which those of the first 200 days are vested; unlocked unless told otherwise."""

    def __init__(self, code: str = "NA", *, unlocked: bool = True) -> None:
        super().__init__(code, unlocked=unlocked, starts_at=timezone.now() - HALFWAY)
        with in_site(self.site):
            self.vested = sum(r.amount_base_units for r in Release.objects.filter(unlock_at__lte=Now()))
            self.unvested = sum(r.amount_base_units for r in Release.objects.filter(unlock_at__gt=Now()))

    def ask(self, scope: str = "unvested", *, by: Membership | None = None, **fields: Any) -> Revocation:
        with self.working():
            return revocation_ask(
                allocation_id=self.allocation.id,
                scope=scope,
                reason="left the company",
                asked_by_id=(by or self.operator).id,
                **fields,
            )

    def approve(self, revocation: Revocation, by: Membership | None = None) -> Revocation:
        with self.working():
            return revocation_approve(
                revocation_id=revocation.id, decided_by_id=(by or self.approver).id, note="seen"
            )

    def decline(self, revocation: Revocation) -> Revocation:
        with self.working():
            return revocation_decline(
                revocation_id=revocation.id, decided_by_id=self.operator.id, note="taken back"
            )

    def stop(self, revocation: Revocation) -> Revocation:
        with self.working():
            return revocation_stop(
                revocation_id=revocation.id, stopped_by_id=self.approver.id, note="stays after all"
            )

    def look(self) -> bool:
        """A worker's look at what is due."""
        with self.working():
            return revocation_do_next()

    def seen(self, revocation: Revocation) -> Revocation:
        with in_site(self.site):
            return Revocation.objects.get(id=revocation.id)

    def time_passes(self, admin_connection: Any, **ago: float) -> None:
        """As if everything had been so long ago: dates are frozen, hence past the triggers."""
        with rules_off(admin_connection) as cursor:
            cursor.execute(
                "UPDATE vesting_revocation SET created_at = created_at - %(ago)s,"
                " effective_at = effective_at - %(ago)s, due_at = due_at - %(ago)s;"
                "UPDATE vesting_release SET unlock_at = unlock_at - %(ago)s",
                {"ago": timedelta(**ago)},
            )
