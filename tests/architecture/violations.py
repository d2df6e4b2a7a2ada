"""SQL that breaks each rule of the database, for rules that no other test of raw SQL names.

The rows come from tests/operations/ledger/books.py and from SETUP. A CHECK or UNIQUE is broken with the triggers off,
which would refuse first; a trigger is broken with everything on, and deferred ones are asked at once.
"""

from __future__ import annotations


def copy(table: str, where: str = "true", **changed: str) -> str:
    """A second row like one of the table's, with a new id; ``changed`` are SQL expressions."""
    pairs = "".join(f", '{column}', {value}" for column, value in changed.items())
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(){pairs}))).* "
        f"FROM {table} t WHERE {where} LIMIT 1"
    )


def change(table: str, setting: str, where: str = "true") -> str:
    return f"UPDATE {table} SET {setting} WHERE {where}"


# Run with the triggers off before any of the statements below.
SETUP = """
INSERT INTO orders_dispute (id, site_id, order_id, stripe_dispute_id, amount_minor, reason, status, created_at)
SELECT gen_random_uuid(), site_id, id, 'dp_1', 1, '', 'open', now() FROM orders_order
WHERE status = 'paid' AND refunded_minor = 0 LIMIT 1;
INSERT INTO payouts_evmtoken (id, site_id, chain_id, contract_address, decimals, checked_at)
SELECT gen_random_uuid(), id, 31337, '0xc', 18, now() FROM sites_site LIMIT 1;
INSERT INTO payouts_fireblocksasset (id, site_id, custody_asset_id, decimals, checked_at)
SELECT gen_random_uuid(), id, 'POSX_TEST', 18, now() FROM sites_site LIMIT 1;
INSERT INTO payouts_payoutresolution (id, site_id, payout_id, action, state, hold_code, note, tx_hash, asked_by_id,
                                      decision_note, result, created_at)
SELECT gen_random_uuid(), p.site_id, p.id, 'settle', 'asked', 'x', 'why', '0xe', b.requested_by_id, '', '', now()
FROM payouts_payout p JOIN payouts_payoutbatch b ON b.id = p.batch_id WHERE p.status = 'submitted';
INSERT INTO vesting_freeze (id, site_id, allocation_id, cause, reason, begun_by_id, end_reason, ended_by_id, ended_at)
SELECT gen_random_uuid(), a.site_id, a.id, 'pause', 'why', a.beneficiary_id, '', a.beneficiary_id, now()
FROM vesting_allocation a WHERE a.source_kind = 'team';
INSERT INTO vesting_revocation (id, site_id, allocation_id, scope, state, reason, asked_by_id, decision_note,
                                stop_reason)
SELECT gen_random_uuid(), a.site_id, a.id, 'all', 'asked', 'why', a.beneficiary_id, '', ''
FROM vesting_allocation a WHERE a.source_kind = 'team';
INSERT INTO vesting_receivablesettlement (id, site_id, receivable_id, kind, state, amount_base_units, reference, note,
                                          asked_by_id, decision_note, created_at)
SELECT gen_random_uuid(), r.site_id, r.id, 'repaid', 'asked', 1, '0xf', 'why', b.requested_by_id, '', now()
FROM vesting_receivable r JOIN payouts_payoutbatch b ON b.site_id = r.site_id LIMIT 1;
INSERT INTO webhooks_eventcursor (provider, read_until) VALUES ('stripe', now());
INSERT INTO webhooks_inboxevent (id, provider, event_id, event_type, object_id, payload_sha256, status, attempts,
                                 next_attempt_at, error_code, received_at)
VALUES (gen_random_uuid(), 'stripe', 'evt_1', 't', '', '', 'handled', 1, now(), '', now());
INSERT INTO operations_difference (id, site_id, kind, subject, object_id, source, expected, found, first_seen_at,
                                   last_seen_at, next_check_at, reason)
SELECT gen_random_uuid(), id, 'payment_amount', 'payment', 'pi_1', 'stripe', '1', '2', now(), now(), now(), ''
FROM sites_site LIMIT 1;
"""

CONSTRAINTS: dict[str, str] = {
    "difference_kind_known": change("operations_difference", "kind = 'x'"),
    "dispute_has_id": change("orders_dispute", "stripe_dispute_id = ''"),
    "dispute_status_known": change("orders_dispute", "status = 'x', settled_at = now()"),
    "dispute_stripe_id_once": copy("orders_dispute"),
    "order_amount_is_price_times_quantity": change("orders_order", "amount_minor = amount_minor + 1"),
    "order_open_is_due": change("orders_order", "next_check_at = NULL", "status = 'pending'"),
    "order_status_known": change("orders_order", "status = 'x'", "status = 'pending'"),
    "order_tokens_positive": change("orders_order", "tokens_base_units = 0"),
    "order_units_back_when_refunded": change("orders_order", "units_taken_back = true", "status = 'pending'"),
    "refund_amount_positive": change("orders_refund", "amount_minor = 0"),
    "refund_of_staff_has_reason": change("orders_refund", "origin = 'staff'"),
    "refund_origin_known": change("orders_refund", "origin = 'x'"),
    "refund_settled_has_time": change("orders_refund", "settled_at = NULL", "status = 'succeeded'"),
    "refund_status_known": change("orders_refund", "status = 'x'"),
    "refund_stripe_id_once": copy("orders_refund"),
    "evmtoken_once": copy("payouts_evmtoken"),
    "fireblocksasset_once": copy("payouts_fireblocksasset"),
    "evmtransaction_hash_once": copy("payouts_evmtransaction", number="9"),
    "evmtransaction_number_once": copy("payouts_evmtransaction", tx_hash="'0x1'"),
    "evmtransfer_amount_positive": change("payouts_evmtransfer", "amount_base_units = 0"),
    "evmtransfer_nonce_once": copy("payouts_evmtransfer", attempt_id="gen_random_uuid()"),
    "evmtransfer_one_an_attempt": copy("payouts_evmtransfer", nonce="7"),
    "hotwallet_once": copy("payouts_hotwallet"),
    "payout_amount_positive": change("payouts_payout", "amount_base_units = 0"),
    "payout_held_has_code": change(
        "payouts_payout", "status = 'held', hold_code = ''", "status = 'submitted'"
    ),
    "payoutattempt_number_once": copy("payouts_payoutattempt", status="'failed'", external_id="'x'"),
    "payoutbatch_decided_has_time": change("payouts_payoutbatch", "status = 'rejected'", "status = 'draft'"),
    "payoutbatch_status_known": change("payouts_payoutbatch", "status = 'x', decided_at = now()"),
    "payoutbatch_total_positive": change("payouts_payoutbatch", "total_base_units = 0"),
    "payoutresolution_action_known": change("payouts_payoutresolution", "action = 'x', tx_hash = ''"),
    "payoutresolution_decided_has_time": change("payouts_payoutresolution", "decided_at = now()"),
    "payoutresolution_declined_by": change("payouts_payoutresolution", "state = 'declined'"),
    "payoutresolution_state_known": change(
        "payouts_payoutresolution",
        "state = 'x', decided_at = now(), decided_by_id = gen_random_uuid()",
    ),
    "payoutresolution_evidence_once": copy("payouts_payoutresolution", payout_id="gen_random_uuid()"),
    "allocation_amount_positive": change("vesting_allocation", "amount_base_units = 0"),
    "allocation_source_once": copy("vesting_allocation"),
    "receivable_amount_positive": change("vesting_receivable", "amount_base_units = 0"),
    "receivablesettlement_amount_positive": change("vesting_receivablesettlement", "amount_base_units = 0"),
    "receivablesettlement_decided_by": change("vesting_receivablesettlement", "state = 'declined'"),
    "receivablesettlement_evidence_once": copy("vesting_receivablesettlement"),
    "receivablesettlement_has_evidence": change("vesting_receivablesettlement", "reference = ''"),
    "receivablesettlement_has_reason": change("vesting_receivablesettlement", "note = ''"),
    "receivablesettlement_kind_known": change("vesting_receivablesettlement", "kind = 'x', reference = ''"),
    "receivablesettlement_second_person": change(
        "vesting_receivablesettlement", "state = 'done', decided_by_id = asked_by_id, decided_at = now()"
    ),
    "receivablesettlement_state_known": change(
        "vesting_receivablesettlement",
        "state = 'x', decided_by_id = gen_random_uuid(), decided_at = now()",
    ),
    "release_amount_positive": change("vesting_release", "amount_base_units = 0"),
    "release_payout_while_in_flight": change(
        "vesting_release", "payout_id = gen_random_uuid()", "status = 'locked'"
    ),
    "release_released_has_hash": change("vesting_release", "tx_hash = ''", "status = 'released'"),
    "release_number_once": copy("vesting_release", "status = 'locked'"),
    "freeze_cause_known": change("vesting_freeze", "cause = 'x'"),
    "freeze_one_open": copy("vesting_freeze", ended_at="NULL", ended_by_id="NULL")
    + ";"
    + copy("vesting_freeze", "ended_at IS NULL"),
    "revocation_decided_has_time": change("vesting_revocation", "decided_at = now()"),
    "revocation_ended_by": change("vesting_revocation", "state = 'declined', finished_at = now()"),
    "revocation_has_reason": change("vesting_revocation", "reason = ''"),
    "revocation_one_open": copy("vesting_revocation"),
    "revocation_scope_known": change("vesting_revocation", "scope = 'x'"),
    "revocation_state_known": change("vesting_revocation", "due_at = now()"),
    "vestingpolicy_start_is_sane": change("vesting_vestingpolicy", "starts_at = '1990-01-01'"),
    "vestingpolicy_terms_make_a_whole": change("vesting_vestingpolicy", "tge_basis_points = 10001"),
    "vestingpolicy_version_once": copy("vesting_vestingpolicy"),
    "vestingschedule_terms_make_a_whole": change("vesting_vestingschedule", "tge_basis_points = 10001"),
    "vestingschedule_total_positive": change("vesting_vestingschedule", "total_base_units = 0"),
    "vestingschedule_one_an_allocation": copy("vesting_vestingschedule"),
    "eventcursor_provider_known": change("webhooks_eventcursor", "provider = 'x'"),
    "eventcursor_walk_whole": change("webhooks_eventcursor", "walk_after_id = 'evt'"),
    "inboxevent_provider_known": change("webhooks_inboxevent", "provider = 'x'"),
    "inboxevent_once": copy("webhooks_inboxevent"),
}

TRIGGERS: dict[str, str] = {
    "dispute_is_in_its_order": change("orders_dispute", "status = 'lost', settled_at = now()"),
    "order_allocation_is_its_own": change(
        "orders_order",
        "allocation_id = (SELECT id FROM vesting_allocation WHERE source_kind = 'team')",
        "status = 'pending'",
    ),
    "order_returns_are_its_rows": change("orders_order", "refunded_minor = 1", "status = 'pending'"),
    "refund_is_in_its_order": change("orders_refund", "status = 'failed'", "status = 'succeeded'"),
    "evmtoken_frozen": change("payouts_evmtoken", "decimals = 6"),
    "fireblocksasset_frozen": change("payouts_fireblocksasset", "decimals = 6"),
    "evmtransfer_outcomes": change("payouts_evmtransfer", "outcome = 'x'"),
    "hotwallet_frozen": change("payouts_hotwallet", "address = '0x'"),
    "payout_leads_releases": change(
        "payouts_payout", "status = 'held', hold_code = 'x'", "status = 'submitted'"
    ),
    "payout_held_decided": "SET LOCAL session_replication_role = replica;"
    "UPDATE payouts_payout SET status = 'held', hold_code = 'x' WHERE status = 'submitted';"
    "SET LOCAL session_replication_role = origin;"
    "UPDATE payouts_payout SET lease_token = gen_random_uuid() WHERE status = 'held';"
    "UPDATE payouts_payout SET status = 'submitted', next_attempt_at = now() WHERE status = 'held'",
    "payout_within_batch": copy("payouts_payout", "status = 'awaiting_approval'"),
    "payoutbatch_decided_once": change(
        "payouts_payoutbatch", "decided_at = decided_at + interval '1 second'", "status = 'approved'"
    ),
    "payoutbatch_states": change("payouts_payoutbatch", "status = 'draft'", "status = 'approved'"),
    "payoutbatch_whole": copy("payouts_payoutbatch", "status = 'draft'"),
    "receivable_append_only": change("vesting_receivable", "amount_base_units = 1"),
    "freeze_ended_once": change("vesting_freeze", "ended_at = now() + interval '1 second'"),
    "revocation_decided_once": change("vesting_revocation", "decided_by_id = asked_by_id, decided_at = now()")
    + ";"
    + change("vesting_revocation", "decided_at = now() + interval '1 second'"),
    "revocation_states": change("vesting_revocation", "state = 'done', finished_at = now()"),
    "receivablesettlement_decided_once": change(
        "vesting_receivablesettlement",
        "state = 'declined', decided_by_id = asked_by_id, decided_at = now();"
        "UPDATE vesting_receivablesettlement SET decided_at = now() + interval '1 second'",
    ),
    "receivablesettlement_frozen": change("vesting_receivablesettlement", "amount_base_units = 2"),
    "receivablesettlement_no_payout": copy(
        "vesting_receivablesettlement",
        reference="(SELECT p.tx_hash FROM payouts_payout p WHERE p.status = 'paid' AND p.site_id = t.site_id LIMIT 1)",
    ),
    "receivablesettlement_states": change(
        "vesting_receivablesettlement",
        "state = 'declined', decided_by_id = asked_by_id, decided_at = now();"
        "UPDATE vesting_receivablesettlement SET state = 'asked'",
    ),
    "receivablesettlement_within": copy(
        "vesting_receivablesettlement",
        reference="'0x2'",
        amount_base_units="(SELECT r.amount_base_units FROM vesting_receivable r WHERE r.id = t.receivable_id)",
    ),
    "release_follows_payout": change("vesting_release", "status = 'held'", "status = 'processing'"),
    "release_makes_payout": "UPDATE vesting_release SET status = 'unlocked', unlocked_at = now() WHERE id = "
    "(SELECT id FROM vesting_release WHERE status = 'locked' LIMIT 1);"
    "UPDATE vesting_release SET status = 'processing', payout_id = (SELECT id FROM payouts_payout "
    "WHERE status = 'awaiting_approval' LIMIT 1) WHERE status = 'unlocked'",
    "vestingpolicy_frozen": change("vesting_vestingpolicy", "parts = parts + 1"),
    "vestingschedule_releases_sum": copy(
        "vesting_allocation",
        "source_kind = 'team'",
        id="'01900000-0000-7000-8000-000000000001'",
        source_id="gen_random_uuid()",
    )
    + ";"
    + copy("vesting_vestingschedule", allocation_id="'01900000-0000-7000-8000-000000000001'"),
    "eventcursor_only_forward": change("webhooks_eventcursor", "read_until = read_until - interval '1 day'"),
    "inboxevent_states": change("webhooks_inboxevent", "status = 'received'"),
}

# An unknown word is no state of these either, and that rule comes first by its name: PostgreSQL names one of the two.
IMPLIED: dict[str, tuple[str, str]] = {
    "payout_status_known": (
        "payout_in_work_is_due",
        change("payouts_payout", "status = 'x'", "status = 'submitted'"),
    ),
    "release_status_known": (
        "release_payout_while_in_flight",
        change("vesting_release", "status = 'x'", "status = 'locked'"),
    ),
}
