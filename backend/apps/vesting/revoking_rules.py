"""Rules of revocations by staff that PostgreSQL enforces: what one may take, and that nothing is left behind."""

from __future__ import annotations

from django.db import models

from apps.core.rules import TriggerRule, refuse, table

_REVOCATIONS = "public.vesting_revocation"
_RELEASES = "public.vesting_release"


class RevokedByItsRevocation(TriggerRule):
    """On releases: one that a revocation takes is of its allocation, at its time, and not vested by then.

    Only a revocation of all, which two people decided, takes what is vested.
    """

    def body(self, model: type[models.Model]) -> str:
        unfounded = refuse(self.name, "'release ' || NEW.id || ' is not for its revocation to take'")
        return (
            f"IF NEW.status <> 'revoked' OR NOT EXISTS (SELECT FROM {_REVOCATIONS} v "
            "WHERE v.site_id = NEW.site_id AND v.id = NEW.revocation_id AND v.allocation_id = NEW.allocation_id "
            "AND v.state = 'scheduled' AND v.effective_at <= clock_timestamp() "
            f"AND (v.scope = 'all' OR NEW.unlock_at > v.effective_at)) THEN {unfounded} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} FOR EACH ROW "
                "WHEN (NEW.revocation_id IS NOT NULL AND OLD.revocation_id IS DISTINCT FROM NEW.revocation_id)",
            )
        ]


class RevocationIsComplete(TriggerRule):
    """On revocations, at commit: one that is done has left nothing that it was to take, nor anything on its way."""

    def body(self, model: type[models.Model]) -> str:
        left = refuse(self.name, "'revocation ' || NEW.id || ' is not done: something is left to take'")
        return (
            f"IF EXISTS (SELECT FROM {_RELEASES} r WHERE r.site_id = NEW.site_id "
            "AND r.allocation_id = NEW.allocation_id "
            "AND r.status IN ('locked', 'unlocked', 'frozen', 'processing', 'held') "
            f"AND (NEW.scope = 'all' OR r.unlock_at > NEW.effective_at)) THEN {left} END IF;\nRETURN NULL;"
        )

    def triggers(self, model: type[models.Model]) -> list[tuple[str, str]]:
        return [
            (
                self.name,
                f"AFTER UPDATE ON {table(model)} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                "WHEN (OLD.state <> 'done' AND NEW.state = 'done')",
            )
        ]
