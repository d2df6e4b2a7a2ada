"""Allocations, schedules, releases and what is owed back: no token appears or vanishes."""

from __future__ import annotations

from apps.operations.ledger.invariant import Invariant

TOKENS = (
    Invariant(
        name="allocation_has_schedule",
        table="vesting_allocation",
        means="Every allocation has one schedule, of its whole amount.",
        remedy="Tokens are owed that will never unlock. Find the transaction in the history of the allocation.",
        refused_by="vestingschedule_releases_sum for the amount",
        sql="""
        SELECT a.id, a.amount_base_units::text, coalesce(s.total_base_units::text, 'no schedule')
        FROM vesting_allocation a
        LEFT JOIN vesting_vestingschedule s ON s.site_id = a.site_id AND s.allocation_id = a.id
        WHERE a.site_id = %(site)s AND s.total_base_units IS DISTINCT FROM a.amount_base_units""",
    ),
    Invariant(
        name="releases_make_schedule",
        table="vesting_vestingschedule",
        means="The releases of a schedule, revoked ones included and replaced ones not, sum to its total.",
        remedy="Stop payouts of this allocation. The history of its releases shows which step lost or made tokens.",
        refused_by="vestingschedule_releases_sum, release_live_sum_within_schedule, release_frozen",
        sql="""
        SELECT s.id, s.total_base_units::text, coalesce(r.total, 0)::text
        FROM vesting_vestingschedule s
        LEFT JOIN (
            SELECT schedule_id, sum(amount_base_units) AS total FROM vesting_release
            WHERE site_id = %(site)s AND status <> 'replaced' GROUP BY schedule_id
        ) r ON r.schedule_id = s.id
        WHERE s.site_id = %(site)s AND s.total_base_units IS DISTINCT FROM coalesce(r.total, 0)""",
    ),
    Invariant(
        name="release_is_of_its_schedule",
        table="vesting_release",
        means="A release names the allocation that its schedule is of.",
        remedy="Two allocations are mixed up: stop payouts of both and read the release's history.",
        refused_by="release_frozen after it was made",
        sql="""
        SELECT r.id, s.allocation_id::text, r.allocation_id::text
        FROM vesting_release r
        JOIN vesting_vestingschedule s ON s.site_id = r.site_id AND s.id = r.schedule_id
        WHERE r.site_id = %(site)s AND s.allocation_id <> r.allocation_id""",
    ),
    Invariant(
        name="replaced_is_its_parts",
        table="vesting_release",
        means="A replaced release is the sum of its parts, on its own or its milestone's date; only such have parts.",
        remedy="A partial revoke lost or made tokens: read the history of the release and of its parts.",
        refused_by="release_split_whole",
        sql="""
        SELECT o.id, CASE WHEN o.status = 'replaced' THEN o.amount_base_units ELSE 0 END::text, p.total::text
        FROM (
            SELECT split_of_id AS id, sum(amount_base_units) AS total, array_agg(DISTINCT unlock_at) AS days,
                   array_agg(DISTINCT schedule_id) AS schedules
            FROM vesting_release WHERE site_id = %(site)s AND split_of_id IS NOT NULL GROUP BY split_of_id
        ) p JOIN vesting_release o ON o.site_id = %(site)s AND o.id = p.id
        WHERE o.status <> 'replaced' OR p.total <> o.amount_base_units
           OR (p.days <> ARRAY[o.unlock_at] AND (o.milestone = '' OR cardinality(p.days) > 1))
           OR p.schedules <> ARRAY[o.schedule_id]
        UNION ALL
        SELECT o.id, o.amount_base_units::text, 'no parts'
        FROM vesting_release o WHERE o.site_id = %(site)s AND o.status = 'replaced' AND NOT EXISTS (
            SELECT FROM vesting_release p WHERE p.site_id = o.site_id AND p.split_of_id = o.id)""",
    ),
    Invariant(
        name="receivables_within_released",
        table="vesting_allocation",
        means="Nobody owes back more tokens of an allocation than were paid out of it.",
        remedy="Look at the allocation's receivables and refunds: one was recorded twice, or a release is missing.",
        refused_by="receivable_within_released",
        sql="""
        SELECT w.allocation_id, 'at most ' || coalesce(r.total, 0), w.total::text
        FROM (
            SELECT allocation_id, sum(amount_base_units) AS total FROM vesting_receivable
            WHERE site_id = %(site)s GROUP BY allocation_id
        ) w LEFT JOIN LATERAL (
            SELECT sum(amount_base_units) AS total FROM vesting_release r
            WHERE r.site_id = %(site)s AND r.allocation_id = w.allocation_id AND r.status = 'released'
        ) r ON true WHERE w.total > coalesce(r.total, 0)""",
    ),
    Invariant(
        name="revocation_takes_its_own",
        table="vesting_revocation",
        means="A revocation took only what is in its scope, and one that is done has left none of it.",
        remedy="Read the history of the revocation and of its releases: one was taken, or left, by mistake.",
        refused_by="release_revoked_by_its_revocation, revocation_complete",
        sql="""
        SELECT v.id, v.scope || ' by ' || v.effective_at, min(r.status || ' on ' || r.unlock_at)
        FROM vesting_revocation v
        CROSS JOIN LATERAL (
            SELECT (r.unlock_at > v.effective_at OR v.scope = 'all') AND r.allocation_id = v.allocation_id AS in_scope,
                   r.status, r.unlock_at
            FROM vesting_release r WHERE r.site_id = v.site_id AND r.revocation_id = v.id
            UNION ALL
            SELECT r.unlock_at <= v.effective_at AND v.scope <> 'all', r.status, r.unlock_at FROM vesting_release r
            WHERE v.state = 'done' AND r.site_id = v.site_id AND r.allocation_id = v.allocation_id
              AND r.status IN ('locked', 'unlocked', 'frozen', 'processing', 'held')
        ) r WHERE v.site_id = %(site)s AND NOT r.in_scope GROUP BY v.id, v.scope, v.effective_at""",
    ),
    Invariant(
        name="settled_within_receivable",
        table="vesting_receivable",
        means="Of a receivable no more was paid back or written off than it is, what waits for approval included.",
        remedy="Read its settlements: one is counted twice, or is another receivable's.",
        refused_by="receivablesettlement_within",
        sql="""
        SELECT w.receivable_id, 'at most ' || r.amount_base_units, w.total::text
        FROM (
            SELECT receivable_id, sum(amount_base_units) AS total FROM vesting_receivablesettlement
            WHERE site_id = %(site)s AND state IN ('asked', 'done') GROUP BY receivable_id
        ) w JOIN vesting_receivable r ON r.site_id = %(site)s AND r.id = w.receivable_id
        WHERE w.total > r.amount_base_units""",
    ),
    Invariant(
        name="return_is_no_payout",
        table="vesting_receivablesettlement",
        means="The transaction by which a receivable was paid back is none by which we paid out.",
        remedy="Nobody gave these tokens back: look the transaction up on chain; they are owed still.",
        refused_by="receivablesettlement_no_payout when it is asked; a payout's hash may come later",
        sql="""
        SELECT s.id, 'no payout', 'payout ' || p.id
        FROM vesting_receivablesettlement s
        JOIN payouts_payout p ON p.site_id = s.site_id AND p.tx_hash = s.reference AND p.tx_hash <> ''
        WHERE s.site_id = %(site)s AND s.kind = 'repaid' AND s.state = 'done'""",
    ),
)
