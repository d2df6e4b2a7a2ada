"""Rules between releases and the payouts that carry them, kept by PostgreSQL at commit.

The payouts room knows no releases, so both halves stand here, listed in Release's constraints.
"""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table

_PAYOUTS = "public.payouts_payout"
# A payout that ended without sending carries nothing: its releases are payable again.
FOLLOWS = (
    "CASE p.status WHEN 'paid' THEN 'released' WHEN 'held' THEN 'held' "
    "WHEN 'failed' THEN '' WHEN 'cancelled' THEN '' ELSE 'processing' END"
)


class ReleaseFollowsPayout(TriggerRule):
    """At commit, a release that a payout carries is in the state that its payout's state asks for, hash included."""

    def body(self, model: type[models.Model]) -> str:
        apart = refuse(self.name, "'release ' || NEW.id || ' is not as the payout that carries it'")
        return (
            # The row as it is at commit: this event may be an earlier step of the same transaction.
            f"IF EXISTS (SELECT FROM {table(model)} r JOIN {_PAYOUTS} p ON p.site_id = r.site_id "
            "AND p.id = r.payout_id WHERE r.site_id = NEW.site_id AND r.id = NEW.id "
            f"AND (r.status <> {FOLLOWS} OR (r.status = 'released' AND r.tx_hash <> p.tx_hash))) "
            f"THEN {apart} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (NEW.payout_id IS NOT NULL AND (OLD.status <> NEW.status "
                "OR OLD.payout_id IS DISTINCT FROM NEW.payout_id))",
            )
        ]


class PayoutLeadsReleases(TriggerRule):
    """At commit, no release that a payout carries has stayed behind when the payout's state changed."""

    def body(self, model: type[models.Model]) -> str:
        behind = refuse(self.name, "'a release of payout ' || NEW.id || ' stayed behind'")
        return (
            f"IF EXISTS (SELECT FROM {_PAYOUTS} p JOIN {table(model)} r ON r.site_id = p.site_id "
            "AND r.payout_id = p.id WHERE p.site_id = NEW.site_id AND p.id = NEW.id "
            f"AND (r.status <> {FOLLOWS} OR (r.status = 'released' AND r.tx_hash <> p.tx_hash))) "
            f"THEN {behind} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {_PAYOUTS} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.status <> NEW.status)",
            )
        ]


class ReleasesMakePayout(TriggerRule):
    """A statement that puts releases into payouts puts in exactly what each payout will send.

    By statement: a payout may carry a thousand releases, and a sum for each of them would be a million rows.
    """

    def body(self, model: type[models.Model]) -> str:
        differs = refuse(self.name, "'a payout does not send what its releases sum to'")
        return (
            "IF EXISTS (SELECT FROM new_rows n WHERE n.status = 'processing') AND EXISTS ("
            "SELECT FROM (SELECT DISTINCT n.site_id, n.payout_id FROM new_rows n JOIN old_rows o ON o.id = n.id "
            "WHERE n.payout_id IS NOT NULL AND o.payout_id IS DISTINCT FROM n.payout_id) t "
            f"JOIN {_PAYOUTS} p ON p.site_id = t.site_id AND p.id = t.payout_id "
            f"WHERE p.amount_base_units <> (SELECT sum(r.amount_base_units) FROM {table(model)} r "
            "WHERE r.site_id = t.site_id AND r.payout_id = t.payout_id)) "
            f"THEN {differs} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
                "FOR EACH STATEMENT",
            )
        ]
