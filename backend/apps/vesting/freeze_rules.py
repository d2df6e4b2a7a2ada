"""Rules of stopped allocations that PostgreSQL keeps at commit: frozen while something stops it, and only then."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table

_FREEZES = "public.vesting_freeze"
_RELEASES = "public.vesting_release"


def _stopped(row: str) -> str:
    return (
        f"EXISTS (SELECT FROM {_FREEZES} f WHERE f.site_id = {row}.site_id "
        f"AND f.allocation_id = {row}.allocation_id AND f.ended_at IS NULL)"
    )


class FrozenWhileStopped(TriggerRule):
    """On releases: one that is frozen, thaws or comes back from a payout is as its allocation.

    Not asked for every unlock: what is locked belongs to an allocation that nothing stops.
    """

    def body(self, model: type[models.Model]) -> str:
        loose = refuse(self.name, "'release ' || NEW.id || ' is frozen without a reason, or loose with one'")
        return (
            # The row as it is at commit: this event may be an earlier step of the same transaction.
            f"IF EXISTS (SELECT FROM {table(model)} r WHERE r.site_id = NEW.site_id AND r.id = NEW.id "
            "AND r.status IN ('locked', 'unlocked', 'frozen') "
            f"AND (r.status = 'frozen') <> {_stopped('r')}) THEN {loose} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.status <> NEW.status AND (NEW.status = 'frozen' OR OLD.status = 'frozen' "
                "OR (OLD.status IN ('processing', 'held') AND NEW.status = 'unlocked')))",
            )
        ]


class FreezeStops(TriggerRule):
    """On freezes: what is not on its way out is frozen while one is open, and nothing is when none is."""

    def body(self, model: type[models.Model]) -> str:
        loose = refuse(
            self.name, "'a release of allocation ' || NEW.allocation_id || ' is not as its freezes'"
        )
        return (
            f"IF EXISTS (SELECT FROM {_RELEASES} r WHERE r.site_id = NEW.site_id "
            "AND r.allocation_id = NEW.allocation_id AND r.status IN ('locked', 'unlocked', 'frozen') "
            f"AND (r.status = 'frozen') <> {_stopped('r')}) THEN {loose} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT OR UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            )
        ]
