"""That a member's address has changed, told to the room above that pays. This room does not know which one."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from apps.sites.scope import require_scope

Follower = Callable[[UUID], None]

_followers: list[Follower] = []


class NobodyFollows(RuntimeError):
    """No room registered itself: what is not sent yet would still go to the address that was left."""


def register(follower: Follower) -> None:
    """Name the one follower, from an AppConfig.ready(). Raises ValueError for a second, different one."""
    if _followers and _followers != [follower]:
        raise ValueError("wallet changes have one follower, and it is registered already")
    _followers[:] = [follower]


def announce_change(member_id: UUID) -> None:
    """STEP: tell the follower, in the transaction that changes the address and after the wallets are locked."""
    require_scope()
    if not _followers:
        raise NobodyFollows("register a follower before wallets are changed")
    _followers[0](member_id)
