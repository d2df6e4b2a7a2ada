"""Rules between an order, its allocation and the money that went back, kept by PostgreSQL at commit."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table

_AT_COMMIT = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"


class AllocationIsTheOrders(TriggerRule):
    """At commit, an order's allocation is of its tokens, for its buyer, of its tier's asset, and came from it."""

    def body(self, model: type[models.Model]) -> str:
        foreign = refuse(self.name, "'the allocation of order ' || NEW.id || ' is not what was bought'")
        return (
            "IF NOT EXISTS (SELECT FROM public.vesting_allocation a JOIN public.tiers_tier t "
            "ON t.site_id = a.site_id AND t.id = NEW.tier_id AND t.asset_id = a.asset_id "
            "WHERE a.site_id = NEW.site_id AND a.id = NEW.allocation_id AND a.source_kind = 'order' "
            "AND a.source_id = NEW.id AND a.amount_base_units = NEW.tokens_base_units "
            f"AND a.beneficiary_id = NEW.buyer_id) THEN {foreign} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                f"{self.name}_born",
                f"AFTER INSERT ON {table(model)} {_AT_COMMIT} WHEN (NEW.allocation_id IS NOT NULL)",
            ),
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} {_AT_COMMIT} WHEN (NEW.allocation_id IS NOT NULL "
                "AND OLD.allocation_id IS DISTINCT FROM NEW.allocation_id)",
            ),
        ]


class OrderReturnsAreItsRows(TriggerRule):
    """At commit, what an order says went back is the sum of its succeeded refunds and lost disputes.

    On the order, on refunds and on disputes; ``order_column`` names the order in the row that changed, ``watched``
    the columns whose change asks again. A lost dispute counts up to what was not refunded.
    """

    parameters = ("order_column", "watched")

    def __init__(self, *, name: str, order_column: str, watched: list[str]) -> None:
        super().__init__(name=name)
        self.order_column, self.watched = order_column, watched

    def body(self, model: type[models.Model]) -> str:
        differs = refuse(self.name, f"'order ' || NEW.{self.order_column} || ' does not say what went back'")
        return (
            "IF EXISTS (SELECT FROM public.orders_order o, "
            "LATERAL (SELECT coalesce(sum(r.amount_minor), 0) AS refunded FROM public.orders_refund r "
            "WHERE r.site_id = o.site_id AND r.order_id = o.id AND r.status = 'succeeded') r, "
            "LATERAL (SELECT coalesce(sum(d.amount_minor), 0) AS lost FROM public.orders_dispute d "
            "WHERE d.site_id = o.site_id AND d.order_id = o.id AND d.status = 'lost') d "
            f"WHERE o.site_id = NEW.site_id AND o.id = NEW.{self.order_column} "
            "AND (o.refunded_minor, o.lost_minor) IS DISTINCT FROM "
            "(r.refunded, least(d.lost, o.amount_minor - r.refunded))) "
            f"THEN {differs} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        changed = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in self.watched)
        return [
            (f"{self.name}_born", f"AFTER INSERT ON {table(model)} {_AT_COMMIT}"),
            (self.name, f"AFTER UPDATE ON {table(model)} {_AT_COMMIT} WHEN ({changed})"),
        ]
