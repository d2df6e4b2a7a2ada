"""Each invariant finds its own fault, names that row, and nothing else; a sound site has none.

Faults are planted past every trigger: the invariants are what is left when those are.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from apps.operations.ledger.verify import INVARIANTS, ledger_violations
from apps.payouts.batches import batch_approve
from tests.databases import rules_off
from tests.factories import in_site
from tests.operations.ledger.books import Books

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox", "bells_lost")

SETTLEMENT = (
    "INSERT INTO vesting_receivablesettlement (id, site_id, receivable_id, asked_by_id, note, decision_note, "
    "created_at, amount_base_units, kind, state, reference, decided_by_id, decided_at) "
    "SELECT gen_random_uuid(), site_id, id, gen_random_uuid(), 'why', '', now(),"
)
# invariant -> (SQL that breaks it, SQL that selects the id of the row to be named). {table}s hold one site's rows.
FAULTS: dict[str, tuple[str, str]] = {
    "allocation_has_schedule": (
        "UPDATE vesting_allocation SET amount_base_units = amount_base_units + 1 WHERE source_kind = 'team'",
        "SELECT id FROM vesting_allocation WHERE source_kind = 'team'",
    ),
    "releases_make_schedule": (
        "UPDATE vesting_release SET amount_base_units = amount_base_units + 1 WHERE status = 'locked' AND number = 9 "
        "AND allocation_id = (SELECT id FROM vesting_allocation WHERE source_kind = 'team')",
        "SELECT s.id FROM vesting_vestingschedule s JOIN vesting_allocation a ON a.id = s.allocation_id "
        "WHERE a.source_kind = 'team'",
    ),
    "release_is_of_its_schedule": (
        "UPDATE vesting_release SET allocation_id = (SELECT id FROM vesting_allocation WHERE source_kind = 'team') "
        "WHERE id = (SELECT min(id::text)::uuid FROM vesting_release WHERE status = 'locked' AND allocation_id = "
        "(SELECT allocation_id FROM orders_order WHERE quantity_units = 3))",
        "SELECT r.id FROM vesting_release r JOIN vesting_vestingschedule s ON s.id = r.schedule_id "
        "WHERE s.allocation_id <> r.allocation_id",
    ),
    "replaced_is_its_parts": (
        "UPDATE vesting_release SET amount_base_units = amount_base_units + 1 WHERE id = "
        "(SELECT min(id::text)::uuid FROM vesting_release WHERE status = 'replaced')",
        "SELECT min(id::text)::uuid FROM vesting_release WHERE status = 'replaced'",
    ),
    "settled_within_receivable": (
        f"{SETTLEMENT} amount_base_units + 1, 'written_off', 'asked', '', NULL, NULL FROM vesting_receivable",
        "SELECT id FROM vesting_receivable",
    ),
    "return_is_no_payout": (
        f"{SETTLEMENT} 1, 'repaid', 'done', (SELECT p.tx_hash FROM payouts_payout p WHERE p.status = 'paid' LIMIT 1), "
        "gen_random_uuid(), now() FROM vesting_receivable",
        "SELECT id FROM vesting_receivablesettlement",
    ),
    "receivables_within_released": (
        "UPDATE vesting_receivable SET amount_base_units = 1 + (SELECT sum(amount_base_units) FROM vesting_release r "
        "WHERE r.allocation_id = vesting_receivable.allocation_id AND r.status = 'released')",
        "SELECT allocation_id FROM vesting_receivable",
    ),
    "revocation_takes_its_own": (
        "INSERT INTO vesting_revocation (id, site_id, allocation_id, scope, state, finished_at, reason, asked_by_id, "
        "decision_note, stop_reason) SELECT gen_random_uuid(), site_id, id, 'unvested', 'done', now(), 'x', "
        "beneficiary_id, '', '' FROM vesting_allocation WHERE source_kind = 'team'",
        "SELECT id FROM vesting_revocation",
    ),
    "released_has_paid_payout": (
        "UPDATE vesting_release SET tx_hash = '0xother' WHERE id = "
        "(SELECT min(id::text)::uuid FROM vesting_release WHERE status = 'released')",
        "SELECT id FROM vesting_release WHERE tx_hash = '0xother'",
    ),
    "release_follows_payout": (
        "UPDATE vesting_release SET status = 'held' WHERE payout_id = "
        "(SELECT id FROM payouts_payout WHERE status = 'submitted')",
        "SELECT id FROM vesting_release WHERE status = 'held'",
    ),
    "payout_is_its_releases": (
        "UPDATE payouts_payout SET amount_base_units = amount_base_units + 1 WHERE status = 'awaiting_approval';"
        "UPDATE payouts_payoutbatch SET total_base_units = total_base_units + 1 WHERE status = 'draft'",
        "SELECT id FROM payouts_payout WHERE status = 'awaiting_approval'",
    ),
    "payout_one_live_attempt": (
        "DROP INDEX payoutattempt_one_live; INSERT INTO payouts_payoutattempt SELECT (jsonb_populate_record(a, "
        '\'{"id": "01900000-0000-7000-8000-000000000001", "number": 2, "external_id": "second"}\')).* '
        "FROM payouts_payoutattempt a WHERE status = 'succeeded'",
        "SELECT payout_id FROM payouts_payoutattempt WHERE external_id = 'second'",
    ),
    "payout_agrees_with_attempt": (
        "UPDATE payouts_payoutattempt SET status = 'failed' WHERE status = 'succeeded'",
        "SELECT id FROM payouts_payout WHERE status = 'paid'",
    ),
    "batch_is_its_payouts": (
        "UPDATE payouts_payoutbatch SET payout_count = payout_count + 1 WHERE status = 'draft'",
        "SELECT id FROM payouts_payoutbatch WHERE status = 'draft'",
    ),
    "payout_waits_as_its_batch": (
        "UPDATE payouts_payoutbatch SET status = 'draft' WHERE id = "
        "(SELECT batch_id FROM payouts_payout WHERE status = 'paid')",
        "SELECT id FROM payouts_payout WHERE status = 'paid'",
    ),
    "attempt_is_its_transfer": (
        "UPDATE payouts_evmtransfer SET outcome = 'moved';"
        "UPDATE payouts_payoutattempt SET status = 'failed' WHERE status = 'open';"
        "UPDATE payouts_payout SET status = 'failed', next_attempt_at = NULL WHERE status = 'submitted';"
        "UPDATE vesting_release SET status = 'unlocked', payout_id = NULL WHERE payout_id = "
        "(SELECT id FROM payouts_payout WHERE status = 'failed')",
        "SELECT attempt_id FROM payouts_evmtransfer",
    ),
    "evidence_is_its_own": (
        "INSERT INTO payouts_payoutresolution (id, site_id, payout_id, action, state, hold_code, note, tx_hash, "
        "asked_by_id, decided_by_id, decided_at, decision_note, result, created_at) "
        "SELECT gen_random_uuid(), p.site_id, other.id, 'settle', 'done', 'x', 'why', p.tx_hash, b.requested_by_id, "
        "b.decided_by_id, now(), '', '', now() FROM payouts_payout p "
        "JOIN payouts_payoutbatch b ON b.id = p.batch_id "
        "JOIN payouts_payout other ON other.status = 'submitted' WHERE p.status = 'paid'",
        "SELECT id FROM payouts_payoutresolution",
    ),
    "paid_order_has_allocation": (
        "UPDATE orders_order SET tokens_base_units = tokens_base_units + 1 WHERE quantity_units = 3",
        "SELECT id FROM orders_order WHERE quantity_units = 3",
    ),
    "order_allocation_has_order": (
        "UPDATE vesting_allocation SET source_kind = 'order' WHERE source_kind = 'team'",
        "SELECT id FROM vesting_allocation WHERE source_id NOT IN (SELECT id FROM orders_order)",
    ),
    "order_returned_is_its_rows": (
        "UPDATE orders_refund SET amount_minor = amount_minor + 1 WHERE status = 'succeeded' AND amount_minor < 1000",
        "SELECT order_id FROM orders_refund WHERE amount_minor < 1000",
    ),
    "revoked_follows_returned": (
        "UPDATE vesting_release SET status = 'locked' WHERE id = (SELECT r.id FROM vesting_release r "
        "JOIN orders_order o ON o.allocation_id = r.allocation_id "
        "WHERE r.status = 'revoked' AND o.status = 'paid' ORDER BY r.id LIMIT 1)",
        "SELECT id FROM orders_order WHERE status = 'paid' AND refunded_minor > 0",
    ),
    "tier_not_oversold": (
        "ALTER TABLE tiers_tier DROP CONSTRAINT tier_not_oversold; UPDATE tiers_tier SET supply_units = 1",
        "SELECT id FROM tiers_tier",
    ),
    "tier_units_are_its_orders": (
        "UPDATE tiers_tier SET sold_units = sold_units + 1",
        "SELECT id FROM tiers_tier",
    ),
    "buyer_units_are_their_orders": (
        "UPDATE tiers_buyerunits SET reserved_units = reserved_units + 1",
        "SELECT id FROM tiers_buyerunits",
    ),
    "order_is_looked_at": (
        "ALTER TABLE orders_order DROP CONSTRAINT order_open_is_due;"
        "UPDATE orders_order SET next_check_at = NULL WHERE status = 'pending'",
        "SELECT id FROM orders_order WHERE status = 'pending'",
    ),
}


def broken(books: Books) -> list[tuple[str, UUID]]:
    with books.anybody():
        return [(one.invariant, one.row_id) for one in ledger_violations([books.site.id])]


def test_a_site_with_rows_of_every_kind_has_no_violation() -> None:
    assert broken(Books()) == []


def test_every_invariant_has_its_fault() -> None:
    assert set(FAULTS) == {invariant.name for invariant in INVARIANTS}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_and_nothing_else(name: str, admin_connection: Any) -> None:
    # Given a sound site, and a fault in it
    books = Books()
    fault, named = FAULTS[name]
    with rules_off(admin_connection) as cursor:
        cursor.execute("BEGIN")
        try:
            cursor.execute(fault)
            cursor.execute(named)
            [(row_id,)] = cursor.fetchall()
            cursor.execute("COMMIT")
            # Then exactly that row is named
            assert broken(books) == [(name, row_id)]
        finally:
            _restore(cursor)


def _restore(cursor: Any) -> None:
    """What a fault had to drop, put back for the tests after it; the rows go with the test's own clean-up."""
    cursor.execute(
        "ROLLBACK; DELETE FROM payouts_payoutattempt; DELETE FROM tiers_tier; DELETE FROM orders_order;"
        "CREATE UNIQUE INDEX IF NOT EXISTS payoutattempt_one_live ON payouts_payoutattempt (site_id, payout_id) "
        "WHERE status IN ('open', 'succeeded');"
        "ALTER TABLE tiers_tier DROP CONSTRAINT IF EXISTS tier_not_oversold;"
        "ALTER TABLE tiers_tier ADD CONSTRAINT tier_not_oversold CHECK (supply_units >= reserved_units + sold_units);"
        "ALTER TABLE orders_order DROP CONSTRAINT IF EXISTS order_open_is_due;"
        "ALTER TABLE orders_order ADD CONSTRAINT order_open_is_due CHECK (status NOT IN ('pending', 'refund_due', "
        "'disputed') OR next_check_at IS NOT NULL OR problem_code <> '')"
    )


def test_violations_stay_within_their_site(admin_connection: Any) -> None:
    north, asia = Books("NA"), Books("ASIA")
    with rules_off(admin_connection) as cursor:
        cursor.execute(
            "UPDATE tiers_tier SET sold_units = sold_units + 1 WHERE site_id = %s", [str(asia.site.id)]
        )
    assert broken(north) == []
    assert [name for name, _row in broken(asia)] == ["tier_units_are_its_orders"]


def test_a_batch_that_is_approved_keeps_the_books(admin_connection: Any) -> None:
    books = Books()
    with books.working():
        batch_approve(
            batch_id=books.draft.id, plan_sha256=books.draft.plan_sha256, approved_by_id=books.approver.id
        )
    assert broken(books) == []
    with in_site(books.site):
        assert {payout.status for payout in books.payouts()} == {"paid", "submitted", "ready"}
