"""Any sequence of what can happen to an allocation: no token appears or vanishes, and the ledger stays true."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from apps.core.problems import Problem
from apps.operations.ledger.invariant import violations_of
from apps.operations.ledger.verify import INVARIANTS
from apps.payouts.models import Payout, PayoutStatus
from apps.payouts.outcomes import OutcomeKind
from apps.vesting.freeze_models import Freeze
from tests.databases import rules_off
from tests.factories import in_site
from tests.vesting.test_freezing import Pausing
from tests.vesting.test_revocation import PAID, TOTAL

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
STEPS = 25
# The payouts here have no attempts and the allocation no order: what else the ledger asks is not about them.
NAMES = {
    *(
        "allocation_has_schedule",
        "releases_make_schedule",
        "release_is_of_its_schedule",
        "replaced_is_its_parts",
    ),
    *("receivables_within_released", "release_follows_payout", "revocation_takes_its_own"),
}
ASKED = [invariant for invariant in INVARIANTS if invariant.name in NAMES]


class Life(Pausing):
    """One allocation, and everything that can happen to it as a step."""

    def __init__(self, random: Random, admin_connection: Any) -> None:
        super().__init__(unlocked=False)
        self.random, self.admin_connection = random, admin_connection
        self.returned_minor = 0

    def steps(self) -> list[Any]:
        return [
            *(self.unlock, self.unlock, self.some_days, self.some_batch, self.send, self.pay, self.fail),
            *(self.pause, self.resume, self.freeze, self.thaw, self.refund, self.ask, self.later, self.all),
            *(self.look, self.look),
        ]

    def some_days(self) -> None:
        """Everything but this test's now lies so much further back."""
        ago = {"ago": timedelta(days=self.random.randint(1, 40))}
        with rules_off(self.admin_connection) as cursor:
            cursor.execute(
                "UPDATE vesting_revocation SET created_at = created_at - %(ago)s,"
                " effective_at = effective_at - %(ago)s, due_at = due_at - %(ago)s;"
                "UPDATE vesting_release SET unlock_at = unlock_at - %(ago)s",
                ago,
            )

    def some_batch(self) -> None:
        self.request(self.random.randint(1, 4))

    def send(self) -> None:
        for status in ("ready", "submitting", "submitted"):
            self.sql(
                "UPDATE payouts_payout SET status = %s, next_attempt_at = now() WHERE status = ANY(%s)",
                status,
                ["awaiting_approval", "ready", "submitting"],
            )

    def pay(self) -> None:
        self._end_one(OutcomeKind.PAID)

    def fail(self) -> None:
        self._end_one(OutcomeKind.FAILED)

    def refund(self) -> None:
        self.returned_minor = self.random.randint(self.returned_minor, PAID)
        self.revoke(self.returned_minor)

    def later(self) -> None:
        self.ask(effective_at=timezone.now() + timedelta(days=self.random.randint(1, 60)))

    def all(self) -> None:
        self.approve(self.ask("all"))

    def _end_one(self, kind: OutcomeKind) -> None:
        with in_site(self.site):
            sent = list(Payout.objects.filter(status=PayoutStatus.SUBMITTED).order_by("id"))
        if sent:
            self.end([self.random.choice(sent)], kind)

    def is_sound(self) -> None:
        sums = self.sums()  # which sum to TOTAL, as it asserts itself
        with in_site(self.site):
            stands_still = Freeze.objects.filter(ended_at__isnull=True).exists()
        assert not (stands_still and sums.keys() & {"locked", "unlocked"}), sums
        assert stands_still or "frozen" not in sums, sums
        for invariant in ASKED:
            with in_site(self.site):
                assert list(violations_of(invariant, limit=10)) == [], invariant.name


@pytest.mark.parametrize("seed", range(12))
def test_no_token_appears_or_vanishes(seed: int, admin_connection: Any) -> None:
    random = Random(seed)  # noqa: S311 - a sequence that can be repeated
    life = Life(random, admin_connection)
    happened, refused = [], []
    for _number in range(STEPS):
        step = random.choice(life.steps())
        try:
            step()
        except Problem as problem:
            refused.append(problem.code)
        else:
            happened.append(step.__name__)
        life.sums()
    life.is_sound()
    assert len(set(happened)) >= 5, (happened, refused)
    assert len(ASKED) == len(NAMES)
    assert sum(life.sums().values()) == TOTAL
