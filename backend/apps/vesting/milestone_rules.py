"""Rules of milestones that PostgreSQL enforces: what waits for an event is dated by its record only."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table
from apps.vesting.schedule import NEVER

_MILESTONES, _RELEASES = "public.vesting_milestone", "public.vesting_release"
_NEVER = f"'{NEVER.isoformat()}'::timestamptz"


class ReachedByItsRecord(TriggerRule):
    """On releases: one of a milestone that has a date is dated by the record that two people made of its event."""

    def body(self, model: type[models.Model]) -> str:
        unfounded = refuse(self.name, "'nobody recorded ' || NEW.milestone || ' at ' || NEW.unlock_at")
        return (
            f"IF NOT EXISTS (SELECT FROM {_MILESTONES} m WHERE m.site_id = NEW.site_id "
            "AND m.allocation_id = NEW.allocation_id AND m.code = NEW.milestone AND m.state = 'recorded' "
            f"AND m.decided_at = NEW.unlock_at) THEN {unfounded} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT ON {table(model)} FOR EACH ROW "
                f"WHEN (NEW.milestone <> '' AND NEW.unlock_at <> {_NEVER})",
            )
        ]


class RecordIsComplete(TriggerRule):
    """On milestones, at commit: one that is recorded has left nothing of its allocation waiting for it."""

    def body(self, model: type[models.Model]) -> str:
        left = refuse(
            self.name, "'milestone ' || NEW.code || ' is recorded and something still waits for it'"
        )
        return (
            f"IF EXISTS (SELECT FROM {_RELEASES} r WHERE r.site_id = NEW.site_id "
            "AND r.allocation_id = NEW.allocation_id AND r.milestone = NEW.code "
            f"AND r.unlock_at = {_NEVER} AND r.status IN ('locked', 'unlocked', 'frozen')) "
            f"THEN {left} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.state <> 'recorded' AND NEW.state = 'recorded')",
            )
        ]


class SplitsAreWholeOrReached(TriggerRule):
    """At commit, the parts of a replaced release are of its schedule, milestone and date, and sum to its amount.

    One that waited for a milestone is replaced by a part with the date of its record (ReachedByItsRecord).
    """

    def body(self, model: type[models.Model]) -> str:
        lossy = refuse(self.name, "'the parts of release ' || NEW.id || ' are not what it was'")
        return (
            "IF NEW.amount_base_units IS DISTINCT FROM (SELECT sum(r.amount_base_units) "  # noqa: S608 - our own names
            "FROM public.vesting_release r WHERE r.site_id = NEW.site_id AND r.schedule_id = NEW.schedule_id "
            "AND r.allocation_id = NEW.allocation_id AND r.milestone = NEW.milestone "
            f"AND (r.unlock_at = NEW.unlock_at OR (NEW.milestone <> '' AND NEW.unlock_at = {_NEVER})) "
            f"AND r.split_of_id = NEW.id) THEN {lossy} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.status <> 'replaced' AND NEW.status = 'replaced')",
            )
        ]
