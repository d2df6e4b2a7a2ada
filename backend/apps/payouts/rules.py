"""Rules of signed transfers that PostgreSQL enforces: what is signed may be mined, whatever our rows say."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, column, refuse, table


class NeverFalls(TriggerRule):
    """Refuses an update that makes ``field`` smaller."""

    parameters = ("field",)

    def __init__(self, *, name: str, field: str) -> None:
        super().__init__(name=name)
        self.field = field

    def body(self, model: type[models.Model]) -> str:
        return refuse(self.name, f"'{self.field} never falls'")

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        col = column(model, self.field)
        return [
            (self.name, f"BEFORE UPDATE ON {table(model)} FOR EACH ROW WHEN (NEW.{col} < OLD.{col})"),
        ]


class SignedOnlyWhileOpen(TriggerRule):
    """On transfers: one may only be signed for an attempt that is open, which is locked against closing."""

    def body(self, model: type[models.Model]) -> str:
        return (
            "PERFORM 1 FROM public.payouts_payoutattempt a WHERE a.site_id = NEW.site_id "
            "AND a.id = NEW.attempt_id AND a.status = 'open' FOR SHARE;\n"
            f"IF NOT FOUND THEN {refuse(self.name, repr('the attempt is closed'))} END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [(self.name, f"BEFORE INSERT ON {table(model)} FOR EACH ROW")]


class FailsOnlyUnsigned(TriggerRule):
    """On attempts: none fails while a transfer that was signed for it may still be mined, or was.

    Whoever pays its releases again would pay them twice.
    """

    def body(self, model: type[models.Model]) -> str:
        return (
            "IF EXISTS (SELECT FROM public.payouts_evmtransfer t WHERE t.site_id = NEW.site_id "
            "AND t.attempt_id = NEW.id AND t.outcome IN ('open', 'moved')) THEN "
            f"{refuse(self.name, repr('a signed transfer of this attempt may still be mined'))} END IF;\n"
            "RETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"BEFORE UPDATE ON {table(model)} FOR EACH ROW "
                "WHEN (OLD.status IS DISTINCT FROM NEW.status AND NEW.status = 'failed')",
            )
        ]


class BatchIsItsPayouts(TriggerRule):
    """At commit, a new batch has the payouts that it counts, of its asset, and they sum to its total."""

    def body(self, model: type[models.Model]) -> str:
        differs = refuse(self.name, "'the payouts of batch ' || NEW.id || ' are not what it says'")
        return (
            "IF NOT EXISTS (SELECT FROM public.payouts_payout p WHERE p.site_id = NEW.site_id "
            "AND p.batch_id = NEW.id HAVING count(*) = NEW.payout_count "
            "AND sum(p.amount_base_units) = NEW.total_base_units AND bool_and(p.asset_id = NEW.asset_id)) "
            f"THEN {differs} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [(self.name, f"AFTER INSERT ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW")]


class PayoutsWithinBatch(TriggerRule):
    """No statement may add payouts to a batch beyond what people were shown."""

    def body(self, model: type[models.Model]) -> str:
        over = refuse(self.name, "'payouts beyond what their batch says'")
        return (
            "IF EXISTS (SELECT FROM (SELECT DISTINCT site_id, batch_id FROM new_rows) t "
            "JOIN public.payouts_payoutbatch b ON b.site_id = t.site_id AND b.id = t.batch_id "
            f"JOIN {table(model)} p ON p.site_id = t.site_id AND p.batch_id = t.batch_id "
            "GROUP BY b.id, b.payout_count, b.total_base_units "
            "HAVING count(*) > b.payout_count OR sum(p.amount_base_units) > b.total_base_units) "
            f"THEN {over} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT ON {table(model)} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
            )
        ]
