"""History of tables below this room: their models cannot name the trail, so a migration of ours attaches it."""

from __future__ import annotations

from typing import ClassVar

from apps.audit.trail import AuditTrail
from apps.core.attached import AttachRule


class AttachTrail(AttachRule):
    """Create ``trail`` on the table of ``model`` ("sites.Asset"); taken back it leaves the rows written so far."""

    rule_argument = "trail"

    def __init__(self, model: str, trail: AuditTrail) -> None:
        super().__init__(model, trail)

    def describe(self) -> str:
        return f"Keep a history of {self.model}"


class SiteTrail(AuditTrail):
    """The history of sites themselves: a site's row is its own site's, and has to be changed in its scope.

    Changes only: a new site's first rule stands in its row, and ``before`` of the first change repeats it.
    """

    site_column: ClassVar[str] = "id"
    operations: ClassVar[tuple[str, ...]] = ("update",)


class ChangeTrail(AuditTrail):
    """A second history of a table that has one of its births: changes only."""

    operations: ClassVar[tuple[str, ...]] = ("update",)
