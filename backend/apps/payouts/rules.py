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
