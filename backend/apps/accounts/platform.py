"""What platform administrators do over all sites: recorded first, done then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from apps.accounts.models import Identity, PlatformEvent
from apps.core.context import current_actor, current_request_id
from apps.sites.auditor import auditor_look

TARGET_MAX = 255


class NotPlatformAdmin(RuntimeError):
    """Somebody who looks after no installation asked for something of all sites."""


def platform_event_add(*, action: str, target: str = "") -> PlatformEvent:
    """Append what the bound actor does to ``target``; step or entry."""
    actor = current_actor()
    if actor is None:
        raise RuntimeError("no actor is set: wrap it in acting_as()")
    return PlatformEvent.objects.create(
        actor_kind=actor.kind,
        actor_id=actor.id,
        request_id=current_request_id(),
        action=action,
        target=target[:TARGET_MAX],
    )


@contextmanager
def platform_look(*, by_identity_id: UUID, action: str, target: str = "") -> Iterator[None]:
    """Look at rows of all sites over the auditor's login; entry. Raises NotPlatformAdmin.

    The record is committed before anything is read, so that no look goes unrecorded because it failed later.
    """
    # Asked anew: the right may have ended since the request began.
    may = Identity.objects.filter(id=by_identity_id, is_active=True, is_platform_admin=True)
    if not may.exists():
        raise NotPlatformAdmin("Only platform administrators look at all sites.")
    with transaction.atomic(durable=True):
        platform_event_add(action=action, target=target)
    with auditor_look():
        yield
