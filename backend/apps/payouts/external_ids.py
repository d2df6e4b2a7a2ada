"""The id under which the custody provider knows an attempt; it names the site, so that an event finds its way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID

from apps.core.ids import uuid7_following

_FORM = re.compile(r"posx-([0-9a-f]{32})-([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExternalId:
    site_id: UUID
    attempt_id: UUID

    def __str__(self) -> str:
        return f"posx-{self.site_id.hex}-{self.attempt_id.hex}"


def attempt_id_of(payout_id: UUID, number: int) -> UUID:
    """The id of a payout's attempt, and so its external id.

    Not drawn: a database restored from before the attempt sends it under the id that the provider knows.
    """
    return uuid7_following(payout_id, f"attempt {number}")


def external_id_parse(text: str | None) -> ExternalId | None:
    """Site and attempt of an external id of ours; None for anybody else's."""
    match = _FORM.fullmatch(text or "")
    return ExternalId(UUID(match[1]), UUID(match[2])) if match else None
