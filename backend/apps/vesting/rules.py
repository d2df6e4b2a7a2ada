"""Sums that PostgreSQL keeps: a schedule's releases make its total, and its total is its allocation."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table


class ReleasesMatchSchedule(TriggerRule):
    """At commit, a new schedule equals its allocation and its releases sum to it exactly."""

    def body(self, model: type[models.Model]) -> str:
        wrong_total = refuse(self.name, "'the schedule of ' || NEW.id || ' is not its allocation'")
        wrong_sum = refuse(self.name, "'the releases of schedule ' || NEW.id || ' do not sum to its total'")
        return (
            "IF NOT EXISTS (SELECT FROM public.vesting_allocation a WHERE a.site_id = NEW.site_id "
            "AND a.id = NEW.allocation_id AND a.amount_base_units = NEW.total_base_units) "
            f"THEN {wrong_total} END IF;\n"
            "IF NEW.total_base_units IS DISTINCT FROM (SELECT sum(r.amount_base_units) FROM public.vesting_release r "
            "WHERE r.site_id = NEW.site_id AND r.schedule_id = NEW.id) "
            f"THEN {wrong_sum} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            )
        ]


class ReleasesWithinSchedule(TriggerRule):
    """As LiveReleasesWithinSchedule, which took its place; migration 0001 names it."""

    def body(self, model: type[models.Model]) -> str:
        over = refuse(self.name, "'releases above the total of their schedule'")
        return (
            "IF EXISTS (SELECT FROM (SELECT DISTINCT site_id, schedule_id FROM new_rows) t "
            "JOIN public.vesting_vestingschedule s ON s.site_id = t.site_id AND s.id = t.schedule_id "
            "WHERE s.total_base_units < (SELECT sum(r.amount_base_units) FROM public.vesting_release r "
            "WHERE r.site_id = t.site_id AND r.schedule_id = t.schedule_id)) "
            f"THEN {over} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT ON {table(model)} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
            )
        ]


class LiveReleasesWithinSchedule(TriggerRule):
    """No statement may bring a schedule's releases above its total: tokens cannot be added afterwards.

    A replaced release does not count beside the parts that took its place.
    """

    def body(self, model: type[models.Model]) -> str:
        over = refuse(self.name, "'releases above the total of their schedule'")
        return (
            "IF EXISTS (SELECT FROM (SELECT DISTINCT site_id, schedule_id FROM new_rows) t "
            "JOIN public.vesting_vestingschedule s ON s.site_id = t.site_id AND s.id = t.schedule_id "
            "WHERE s.total_base_units < (SELECT sum(r.amount_base_units) FROM public.vesting_release r "
            "WHERE r.site_id = t.site_id AND r.schedule_id = t.schedule_id AND r.status <> 'replaced')) "
            f"THEN {over} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT ON {table(model)} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
            )
        ]


class SplitsAreWhole(TriggerRule):
    """At commit, the parts of a replaced release are of its schedule and date, and sum to its amount."""

    def body(self, model: type[models.Model]) -> str:
        lossy = refuse(self.name, "'the parts of release ' || NEW.id || ' are not what it was'")
        return (
            "IF NEW.amount_base_units IS DISTINCT FROM (SELECT sum(r.amount_base_units) "
            "FROM public.vesting_release r WHERE r.site_id = NEW.site_id AND r.schedule_id = NEW.schedule_id "
            "AND r.allocation_id = NEW.allocation_id AND r.unlock_at = NEW.unlock_at AND r.split_of_id = NEW.id) "
            f"THEN {lossy} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.status <> 'replaced' AND NEW.status = 'replaced')",
            )
        ]


class ReceivablesWithinReleased(TriggerRule):
    """Nobody owes back more tokens of an allocation than were paid out of it."""

    def body(self, model: type[models.Model]) -> str:
        over = refuse(self.name, "'more owed back than was released'")
        return (
            "IF EXISTS (SELECT FROM (SELECT DISTINCT site_id, allocation_id FROM new_rows) t "
            "WHERE (SELECT sum(w.amount_base_units) FROM public.vesting_receivable w "
            "WHERE w.site_id = t.site_id AND w.allocation_id = t.allocation_id) > "
            "(SELECT coalesce(sum(r.amount_base_units), 0) FROM public.vesting_release r "
            "WHERE r.site_id = t.site_id AND r.allocation_id = t.allocation_id AND r.status = 'released')) "
            f"THEN {over} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER INSERT ON {table(model)} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT",
            )
        ]
