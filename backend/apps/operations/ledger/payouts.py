"""Batches, payouts and attempts: what left is what was released, once."""

from __future__ import annotations

from apps.operations.ledger.invariant import Invariant

PAYOUTS = (
    Invariant(
        name="released_has_paid_payout",
        table="vesting_release",
        means="Every released release is carried by a paid payout with the same transaction hash.",
        remedy="Ask the provider for the hash. If it moved nothing, tokens are still owed to the beneficiary.",
        refused_by="release_follows_payout",
        sql="""
        SELECT r.id, 'paid ' || r.tx_hash, coalesce(p.status || ' ' || p.tx_hash, 'no payout')
        FROM vesting_release r LEFT JOIN payouts_payout p ON p.site_id = r.site_id AND p.id = r.payout_id
        WHERE r.site_id = %(site)s AND r.status = 'released'
          AND (p.status, p.tx_hash) IS DISTINCT FROM ('paid', r.tx_hash)""",
    ),
    Invariant(
        name="release_follows_payout",
        table="vesting_release",
        means="A release that a payout carries is released, held or processing as its payout is.",
        remedy="Both rows' histories show which of the two steps is missing; nothing may be paid before that is clear.",
        refused_by="release_follows_payout, payout_leads_releases",
        sql="""
        SELECT r.id, CASE p.status WHEN 'paid' THEN 'released' WHEN 'held' THEN 'held'
                     WHEN 'failed' THEN 'not carried' WHEN 'cancelled' THEN 'not carried' ELSE 'processing' END,
               r.status
        FROM vesting_release r JOIN payouts_payout p ON p.site_id = r.site_id AND p.id = r.payout_id
        WHERE r.site_id = %(site)s AND r.payout_id IS NOT NULL
          AND r.status <> CASE p.status WHEN 'paid' THEN 'released' WHEN 'held' THEN 'held'
                          WHEN 'failed' THEN 'not carried' WHEN 'cancelled' THEN 'not carried' ELSE 'processing' END""",
    ),
    Invariant(
        name="payout_is_its_releases",
        table="payouts_payout",
        means="A payout that is under way or paid sends exactly what its releases sum to, of its own asset.",
        remedy="Stop the worker before it is sent. After that: the difference is owed by or to the beneficiary.",
        refused_by="release_makes_payout",
        sql="""
        SELECT p.id, p.amount_base_units::text, coalesce(r.total, 0)::text
        FROM payouts_payout p LEFT JOIN (
            SELECT r.payout_id, sum(r.amount_base_units) AS total, count(DISTINCT a.beneficiary_id) AS people,
                   array_agg(DISTINCT a.asset_id) AS assets
            FROM vesting_release r JOIN vesting_allocation a ON a.site_id = r.site_id AND a.id = r.allocation_id
            WHERE r.site_id = %(site)s AND r.payout_id IS NOT NULL GROUP BY r.payout_id
        ) r ON r.payout_id = p.id
        WHERE p.site_id = %(site)s AND p.status NOT IN ('failed', 'cancelled')
          AND (r.total IS DISTINCT FROM p.amount_base_units OR r.people <> 1 OR r.assets <> ARRAY[p.asset_id])""",
    ),
    Invariant(
        name="payout_one_live_attempt",
        table="payouts_payout",
        means="A payout has at most one attempt that is open or succeeded.",
        remedy="Two attempts may both have moved tokens: ask the provider for both external ids.",
        refused_by="payoutattempt_one_live",
        sql="""
        SELECT payout_id, 'at most 1', count(*)::text FROM payouts_payoutattempt
        WHERE site_id = %(site)s AND status IN ('open', 'succeeded') GROUP BY payout_id HAVING count(*) > 1""",
    ),
    Invariant(
        name="payout_agrees_with_attempt",
        table="payouts_payout",
        means="A payout is paid by a succeeded attempt, under way by an open one, and else has none that is live.",
        remedy="Ask the provider for the attempt's external id; its answer says which row is wrong.",
        sql="""
        SELECT p.id, w.expected, coalesce(a.status, 'none')
        FROM payouts_payout p
        CROSS JOIN LATERAL (SELECT CASE WHEN p.status = 'paid' THEN 'succeeded'
            WHEN p.status IN ('submitting', 'submitted', 'held') THEN 'open' ELSE 'none' END AS expected) w
        LEFT JOIN payouts_payoutattempt a
          ON a.site_id = p.site_id AND a.payout_id = p.id AND a.status IN ('open', 'succeeded')
        WHERE p.site_id = %(site)s AND w.expected <> coalesce(a.status, 'none')""",
    ),
    Invariant(
        name="batch_is_its_payouts",
        table="payouts_payoutbatch",
        means="A batch has the number of payouts and the total that people approved, of its asset.",
        remedy="The plan that was approved is not what is sent: reject what has not left and ask who changed it.",
        refused_by="payoutbatch_whole, payout_within_batch, payout_frozen",
        sql="""
        SELECT b.id, b.payout_count || ' payouts, ' || b.total_base_units, coalesce(p.n, 0) || ' payouts, '
               || coalesce(p.total, 0)
        FROM payouts_payoutbatch b LEFT JOIN (
            SELECT batch_id, count(*) AS n, sum(amount_base_units) AS total, array_agg(DISTINCT asset_id) AS assets
            FROM payouts_payout WHERE site_id = %(site)s GROUP BY batch_id
        ) p ON p.batch_id = b.id
        WHERE b.site_id = %(site)s
          AND ((p.n, p.total) IS DISTINCT FROM (b.payout_count, b.total_base_units)
            OR p.assets <> ARRAY[b.asset_id])""",
    ),
    Invariant(
        name="payout_waits_as_its_batch",
        table="payouts_payout",
        means="Only payouts of an approved batch are sent; a draft's wait, and a rejected one's are cancelled.",
        remedy="Something was sent without its approval, or waits for ever: read the history of batch and payout.",
        sql="""
        SELECT p.id, b.status, p.status
        FROM payouts_payout p JOIN payouts_payoutbatch b ON b.site_id = p.site_id AND b.id = p.batch_id
        WHERE p.site_id = %(site)s AND p.status <> 'cancelled' AND CASE b.status
          WHEN 'draft' THEN p.status <> 'awaiting_approval'
          WHEN 'approved' THEN p.status = 'awaiting_approval'
          ELSE true END""",
    ),
    Invariant(
        name="attempt_is_its_transfer",
        table="payouts_payoutattempt",
        means="A direct transfer moved exactly when its attempt succeeded, with one of its own hashes.",
        remedy="Look the nonce up on chain. A failed attempt that moved tokens lets them be paid again.",
        refused_by="payoutattempt_fails_unsigned",
        sql="""
        SELECT a.id, t.outcome, a.status
        FROM payouts_evmtransfer t JOIN payouts_payoutattempt a ON a.site_id = t.site_id AND a.id = t.attempt_id
        WHERE t.site_id = %(site)s AND ((a.status = 'failed' AND t.outcome IN ('open', 'moved'))
          OR (a.status = 'succeeded' AND NOT EXISTS (
              SELECT FROM payouts_evmtransaction x
              WHERE x.site_id = t.site_id AND x.transfer_id = t.id AND x.tx_hash = a.tx_hash)))""",
    ),
    Invariant(
        name="evidence_is_its_own",
        table="payouts_payoutresolution",
        means="The transaction that settled a held payout by evidence paid no other payout.",
        remedy="Two payouts count one transfer: look it up on chain; the other beneficiary is still owed their tokens.",
        refused_by="payoutresolution_evidence_its_own when it is settled; the other's hash may come later",
        sql="""
        SELECT r.id, 'only payout ' || r.payout_id, 'also payout ' || p.id
        FROM payouts_payoutresolution r
        JOIN payouts_payout p ON p.site_id = r.site_id AND p.tx_hash = r.tx_hash AND p.id <> r.payout_id
        WHERE r.site_id = %(site)s AND r.action = 'settle' AND r.state = 'done' AND r.tx_hash <> ''""",
    ),
)
