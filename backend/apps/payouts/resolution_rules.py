"""Rules of held payouts that PostgreSQL enforces: how they go on, and what a decision about one has to be true of."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table

_RESOLUTIONS = "public.payouts_payoutresolution"
_PAYOUTS = "public.payouts_payout"
_ATTEMPTS = "public.payouts_payoutattempt"
_TRANSFERS, _SIGNED = "public.payouts_evmtransfer", "public.payouts_evmtransaction"


class HeldLeavesByDecision(TriggerRule):
    """On payouts: a held one goes on by a worker who holds it and asked the provider, or by two people's evidence.

    An UPDATE that only names another state would release its tokens a second time, or never.
    """

    def body(self, model: type[models.Model]) -> str:
        alone = refuse(self.name, "'held payout ' || NEW.id || ' goes on by a worker or by two people only'")
        return (
            f"IF NEW.status = 'paid' AND EXISTS (SELECT FROM {_RESOLUTIONS} r WHERE r.site_id = NEW.site_id "
            "AND r.payout_id = NEW.id AND r.action = 'settle' AND r.state = 'done' AND r.tx_hash = NEW.tx_hash) "
            f"THEN RETURN NEW; END IF;\n{alone}"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"BEFORE UPDATE ON {table(model)} FOR EACH ROW "
                "WHEN (OLD.status = 'held' AND NEW.status <> 'held' AND OLD.lease_token IS NULL)",
            )
        ]


class HeldLeavesNoDecisionOpen(TriggerRule):
    """On payouts, at commit: when a held one goes on, nothing that was asked about it still waits."""

    def body(self, model: type[models.Model]) -> str:
        waits = refuse(self.name, "'a decision about payout ' || NEW.id || ' still waits'")
        return (
            f"IF EXISTS (SELECT FROM {_RESOLUTIONS} r WHERE r.site_id = NEW.site_id AND r.payout_id = NEW.id "
            f"AND r.state IN ('asked', 'approved')) THEN {waits} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.status = 'held' AND NEW.status <> 'held')",
            )
        ]


class ResolutionIsTrue(TriggerRule):
    """On resolutions, at commit: one that waits is about a held payout, and one that is done says what happened."""

    def body(self, model: type[models.Model]) -> str:
        untrue = refuse(self.name, "'resolution ' || NEW.id || ' is not as its payout'")
        return (
            # The row as it is at commit: this event may be an earlier step of the same transaction.
            f"IF EXISTS (SELECT FROM {table(model)} r JOIN {_PAYOUTS} p ON p.site_id = r.site_id "
            "AND p.id = r.payout_id WHERE r.site_id = NEW.site_id AND r.id = NEW.id AND ("
            "(r.state IN ('asked', 'approved') AND p.status <> 'held') "
            "OR (r.state = 'done' AND r.action = 'settle' AND (p.status <> 'paid' OR p.tx_hash <> r.tx_hash)) "
            "OR (r.state = 'done' AND r.action = 'release' AND p.status <> 'failed'))) "
            f"THEN {untrue} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT OR UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            )
        ]


class EvidenceIsItsOwn(TriggerRule):
    """On resolutions: a transaction that another payout was paid by, or was sent as, settles no second one.

    Two people may well look at the same transfer and mean two payouts: then one beneficiary is told of tokens that
    never came.
    """

    def body(self, model: type[models.Model]) -> str:
        used = refuse(self.name, "'transaction ' || NEW.tx_hash || ' is of another payout'")
        same = "{0}.site_id = NEW.site_id AND {0}.tx_hash = NEW.tx_hash AND {0}.tx_hash <> ''".format
        return (
            f"IF EXISTS (SELECT FROM {_PAYOUTS} p WHERE {same('p')} AND p.id <> NEW.payout_id) "  # noqa: S608 - our own names
            f"OR EXISTS (SELECT FROM {_ATTEMPTS} a WHERE {same('a')} AND a.payout_id <> NEW.payout_id) "
            f"OR EXISTS (SELECT FROM {_SIGNED} x JOIN {_TRANSFERS} t ON t.site_id = x.site_id AND t.id = x.transfer_id "
            f"JOIN {_ATTEMPTS} a ON a.site_id = t.site_id AND a.id = t.attempt_id "
            f"WHERE {same('x')} AND a.payout_id <> NEW.payout_id) THEN {used} END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"BEFORE INSERT OR UPDATE ON {table(model)} FOR EACH ROW "
                "WHEN (NEW.action = 'settle' AND NEW.state IN ('asked', 'done'))",
            )
        ]
