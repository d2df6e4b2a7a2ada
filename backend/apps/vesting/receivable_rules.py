"""Rules of settled receivables that PostgreSQL enforces."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table

_RECEIVABLES, _ALLOCATIONS = "public.vesting_receivable", "public.vesting_allocation"


class SettledWithinReceivable(TriggerRule):
    """What was settled of a receivable and what is asked for never exceed it, whoever writes at the same time.

    The allocation's lock puts writers of one receivable in a line; the sum is read after it, with a snapshot that
    holds the row of whoever was first. Amounts never change and no state leads back, so that an INSERT is all that
    can raise the sum.
    """

    def body(self, model: type[models.Model]) -> str:
        over = refuse(self.name, "'more settled than receivable ' || NEW.receivable_id || ' is'")
        return (
            f"PERFORM FROM {_ALLOCATIONS} a WHERE a.site_id = NEW.site_id AND a.id = (SELECT w.allocation_id "  # noqa: S608 - our own names
            f"FROM {_RECEIVABLES} w WHERE w.site_id = NEW.site_id AND w.id = NEW.receivable_id) FOR NO KEY UPDATE;\n"
            f"IF (SELECT sum(s.amount_base_units) FROM {table(model)} s WHERE s.site_id = NEW.site_id "
            "AND s.receivable_id = NEW.receivable_id AND s.state IN ('asked', 'done')) > "
            f"coalesce((SELECT w.amount_base_units FROM {_RECEIVABLES} w WHERE w.site_id = NEW.site_id "
            f"AND w.id = NEW.receivable_id), 0) THEN {over} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [(self.name, f"AFTER INSERT ON {table(model)} FOR EACH ROW")]


class ReturnIsNoPayout(TriggerRule):
    """The transaction by which tokens left for a beneficiary is no evidence that they came back."""

    def body(self, model: type[models.Model]) -> str:
        ours = refuse(self.name, "'transaction ' || NEW.reference || ' is a payout of ours'")
        return (
            "IF EXISTS (SELECT FROM public.payouts_payout p WHERE p.site_id = NEW.site_id "
            f"AND p.tx_hash = NEW.reference AND p.tx_hash <> '') THEN {ours} END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [(self.name, f"BEFORE INSERT ON {table(model)} FOR EACH ROW WHEN (NEW.kind = 'repaid')")]
