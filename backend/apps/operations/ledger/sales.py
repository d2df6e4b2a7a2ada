"""Orders, money that came and went back, and inventory."""

from __future__ import annotations

from apps.operations.ledger.invariant import Invariant

SALES = (
    Invariant(
        name="paid_order_has_allocation",
        table="orders_order",
        means="Every paid order has its own allocation: its tokens, its buyer, its tier's asset.",
        remedy="A buyer paid and is not owed what they bought. Make the order due again; it is fulfilled or reviewed.",
        refused_by="order_allocation_is_its_own",
        sql="""
        SELECT o.id, o.tokens_base_units || ' to ' || o.buyer_id, coalesce(a.amount_base_units || ' to '
               || a.beneficiary_id || ' for ' || a.source_kind || ' ' || a.source_id, 'no allocation')
        FROM orders_order o
        JOIN tiers_tier t ON t.site_id = o.site_id AND t.id = o.tier_id
        LEFT JOIN vesting_allocation a ON a.site_id = o.site_id AND a.id = o.allocation_id
        WHERE o.site_id = %(site)s AND (o.status IN ('paid', 'disputed') OR o.allocation_id IS NOT NULL)
          AND (a.amount_base_units, a.beneficiary_id, a.asset_id, a.source_kind, a.source_id)
              IS DISTINCT FROM (o.tokens_base_units, o.buyer_id, t.asset_id, 'order', o.id)""",
    ),
    Invariant(
        name="order_allocation_has_order",
        table="vesting_allocation",
        means="Every allocation that came from an order is the allocation of that order.",
        remedy="Tokens are owed that nobody paid for. Freeze the allocation and read its history.",
        sql="""
        SELECT a.id, 'order ' || a.source_id, coalesce(o.status, 'no order')
        FROM vesting_allocation a
        LEFT JOIN orders_order o ON o.site_id = a.site_id AND o.id = a.source_id
        WHERE a.site_id = %(site)s AND a.source_kind = 'order' AND o.allocation_id IS DISTINCT FROM a.id""",
    ),
    Invariant(
        name="order_returned_is_its_rows",
        table="orders_order",
        means="What an order says was refunded and lost is the sum of its refunds and lost disputes.",
        remedy="Make the order due again: it follows Stripe's own list of refunds and disputes.",
        refused_by="order_returns_are_its_rows",
        sql="""
        SELECT o.id, w.refunded || ' refunded, ' || w.lost || ' lost',
               o.refunded_minor || ' refunded, ' || o.lost_minor || ' lost'
        FROM orders_order o
        CROSS JOIN LATERAL (
            SELECT (SELECT coalesce(sum(r.amount_minor), 0) FROM orders_refund r
                    WHERE r.site_id = o.site_id AND r.order_id = o.id AND r.status = 'succeeded') AS refunded,
                   (SELECT coalesce(sum(d.amount_minor), 0) FROM orders_dispute d
                    WHERE d.site_id = o.site_id AND d.order_id = o.id AND d.status = 'lost') AS lost_rows
        ) s
        CROSS JOIN LATERAL (SELECT s.refunded, least(s.lost_rows, o.amount_minor - s.refunded) AS lost) w
        WHERE o.site_id = %(site)s AND o.payment_intent_id <> ''
          AND (o.refunded_minor, o.lost_minor) IS DISTINCT FROM (w.refunded, w.lost)""",
    ),
    Invariant(
        name="revoked_follows_returned",
        table="orders_order",
        means="The part of an order's tokens whose money went back is revoked or owed back, or decided in minutes.",
        remedy="Make the order due again; if it stays, compare its refunds with the allocation's revoked releases.",
        sql="""
        SELECT o.id, w.target::text, (coalesce(s.revoked, 0) + coalesce(v.owed, 0)) || ' taken back'
        FROM orders_order o
        CROSS JOIN LATERAL (
            SELECT div(o.tokens_base_units * (o.refunded_minor + o.lost_minor), o.amount_minor) AS target) w
        LEFT JOIN LATERAL (
            SELECT sum(amount_base_units) AS revoked FROM vesting_release r
            WHERE r.site_id = o.site_id AND r.allocation_id = o.allocation_id AND r.status = 'revoked'
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT sum(amount_base_units) AS owed FROM vesting_receivable r
            WHERE r.site_id = o.site_id AND r.allocation_id = o.allocation_id
        ) v ON true
        WHERE o.site_id = %(site)s AND o.allocation_id IS NOT NULL AND o.refunded_minor + o.lost_minor > 0
          AND coalesce(s.revoked, 0) + coalesce(v.owed, 0) < w.target
          AND (o.next_check_at IS NULL OR o.next_check_at > now() + interval '20 minutes') AND o.problem_code = ''""",
    ),
    Invariant(
        name="tier_not_oversold",
        table="tiers_tier",
        means="Reserved and sold units of a tier are within its supply.",
        remedy="Stop the tier. Orders above the supply are refunded, the youngest first.",
        refused_by="tier_not_oversold",
        sql="""
        SELECT id, 'at most ' || supply_units, (reserved_units + sold_units)::text FROM tiers_tier
        WHERE site_id = %(site)s AND reserved_units + sold_units > supply_units""",
    ),
    Invariant(
        name="tier_units_are_its_orders",
        table="tiers_tier",
        means="A tier has reserved what its pending orders hold, and sold what was paid for and not taken back.",
        remedy="Units are lost to sale, or sold twice. The tier's orders show which step did not count.",
        sql="""
        SELECT t.id, coalesce(o.held, 0) || ' reserved, ' || coalesce(o.sold, 0) || ' sold',
               t.reserved_units || ' reserved, ' || t.sold_units || ' sold'
        FROM tiers_tier t LEFT JOIN (
            SELECT tier_id, sum(quantity_units) FILTER (WHERE status = 'pending') AS held,
                   sum(quantity_units) FILTER (WHERE allocation_id IS NOT NULL AND NOT units_taken_back) AS sold
            FROM orders_order WHERE site_id = %(site)s GROUP BY tier_id
        ) o ON o.tier_id = t.id
        WHERE t.site_id = %(site)s
          AND (t.reserved_units, t.sold_units) IS DISTINCT FROM (coalesce(o.held, 0), coalesce(o.sold, 0))""",
    ),
    Invariant(
        name="buyer_units_are_their_orders",
        table="tiers_buyerunits",
        means="A buyer's units of a tier are what their orders hold and bought.",
        remedy="The buyer's limit counts wrongly. Their orders of the tier show which step did not count.",
        sql="""
        SELECT b.id, coalesce(o.held, 0) || ' reserved, ' || coalesce(o.sold, 0) || ' sold',
               b.reserved_units || ' reserved, ' || b.sold_units || ' sold'
        FROM tiers_buyerunits b LEFT JOIN (
            SELECT tier_id, buyer_id, sum(quantity_units) FILTER (WHERE status = 'pending') AS held,
                   sum(quantity_units) FILTER (WHERE allocation_id IS NOT NULL AND NOT units_taken_back) AS sold
            FROM orders_order WHERE site_id = %(site)s GROUP BY tier_id, buyer_id
        ) o ON o.tier_id = b.tier_id AND o.buyer_id = b.buyer_id
        WHERE b.site_id = %(site)s
          AND (b.reserved_units, b.sold_units) IS DISTINCT FROM (coalesce(o.held, 0), coalesce(o.sold, 0))""",
    ),
    Invariant(
        name="order_is_looked_at",
        table="orders_order",
        means="An order that waits for something has a time at which a worker looks at it, or a person's reason.",
        remedy="It would wait for ever: set its next_check_at to now.",
        refused_by="order_open_is_due",
        sql="""
        SELECT id, 'next_check_at', status || ' and never looked at' FROM orders_order
        WHERE site_id = %(site)s AND status IN ('pending', 'refund_due', 'disputed')
          AND next_check_at IS NULL AND problem_code = ''""",
    ),
)
