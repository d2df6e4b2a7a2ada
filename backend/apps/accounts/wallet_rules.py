"""Rules of wallets that PostgreSQL enforces: nobody's tokens get another address before its time, or unproved."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, column, literal, refuse, table


class FirstOrChanged(TriggerRule):
    """On wallets: an active one is the member's first ever, or what a finished change made. None comes back.

    Asked at commit, because the change names its wallet after that was made.
    """

    body_of_insert = (
        "IF EXISTS (SELECT FROM public.accounts_wallet w WHERE w.site_id = NEW.site_id "
        "AND w.member_id = NEW.member_id AND w.id <> NEW.id) "
        "AND NOT EXISTS (SELECT FROM public.accounts_walletchange c WHERE c.site_id = NEW.site_id "
        "AND c.new_wallet_id = NEW.id AND c.status = 'done') THEN "
    )

    def body(self, model: type[models.Model]) -> str:
        again = refuse(self.name, literal("a wallet that was left does not become active again"))
        unguarded = refuse(self.name, literal("another wallet takes a finished change"))
        return (
            f"IF TG_OP = 'UPDATE' THEN {again} END IF;\n"
            f"{self.body_of_insert}{unguarded} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                f"{self.name}_new",
                f"AFTER INSERT ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.is_active)",
            ),
            (
                f"{self.name}_again",
                f"BEFORE UPDATE ON {table(model)} FOR EACH ROW WHEN (NEW.is_active AND NOT OLD.is_active)",
            ),
        ]


class ProofsFitChange(TriggerRule):
    """On changes: each signature is the member's own, by the right address, for exactly this change."""

    def body(self, model: type[models.Model]) -> str:
        def proof(which: str, purpose: str, address: str, other: str) -> str:
            return (
                "EXISTS (SELECT FROM public.accounts_walletproof p WHERE p.site_id = NEW.site_id "
                f"AND p.id = NEW.{which} AND p.member_id = NEW.member_id AND p.purpose = '{purpose}' "
                f"AND p.address = {address} AND p.other_address = {other})"
            )

        here = "public.accounts_wallet w WHERE w.site_id = NEW.site_id AND w.id = NEW.old_wallet_id"
        old = f"(SELECT w.address FROM {here})"
        refused = refuse(self.name, literal("the signatures are not those of this change"))
        stale = refuse(self.name, literal("what is changed is not the active wallet of the member"))
        return (
            f"IF NOT EXISTS (SELECT FROM {here} AND w.is_active AND w.member_id = NEW.member_id) THEN {stale} END IF;\n"
            f"IF NOT {proof('new_proof_id', 'move', 'NEW.new_address', old)} "
            "OR (NEW.old_proof_id IS NOT NULL AND NOT "
            f"{proof('old_proof_id', 'leave', old, 'NEW.new_address')}) THEN {refused} END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [(self.name, f"BEFORE INSERT ON {table(model)} FOR EACH ROW")]


class CoolsOff(TriggerRule):
    """On changes: the cooling-off begins and ends by the database's clock, as long as the site says at its begin."""

    def body(self, model: type[models.Model]) -> str:
        status, due = column(model, "status"), column(model, "active_at")
        early = refuse(self.name, "'the cooling-off lasts until ' || OLD.active_at")
        return (
            f"IF NEW.{status} = 'cooling_off' THEN\n"
            f"  NEW.{due} := clock_timestamp() + (SELECT make_interval(hours => s.wallet_cooling_off_hours) "
            "FROM public.sites_site s WHERE s.id = NEW.site_id);\n"
            f"ELSIF TG_OP = 'UPDATE' AND NEW.{status} = 'done' AND clock_timestamp() < OLD.{due} THEN {early}\n"
            "END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        changed = "WHEN (OLD.status IS DISTINCT FROM NEW.status)"
        return [
            (f"{self.name}_born", f"BEFORE INSERT ON {table(model)} FOR EACH ROW"),
            (f"{self.name}_step", f"BEFORE UPDATE ON {table(model)} FOR EACH ROW {changed}"),
        ]


class WalletFitsChange(TriggerRule):
    """On changes: what a finished one made is the member's wallet with the address that was signed."""

    def body(self, model: type[models.Model]) -> str:
        refused = refuse(self.name, literal("the new wallet is not what was signed"))
        return (
            "IF NOT EXISTS (SELECT FROM public.accounts_wallet w WHERE w.site_id = NEW.site_id "
            "AND w.id = NEW.new_wallet_id AND w.member_id = NEW.member_id AND w.address = NEW.new_address) "
            f"THEN {refused} END IF;\nRETURN NEW;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"BEFORE UPDATE ON {table(model)} FOR EACH ROW WHEN (NEW.new_wallet_id IS NOT NULL "
                "AND OLD.new_wallet_id IS NULL)",
            )
        ]
