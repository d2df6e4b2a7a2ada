"""The site that the current work is for.

Binding (``bind_site``) only remembers the site: middleware and task bases do it. A scope (``site_scope``)
opens the transaction and tells PostgreSQL, whose row policies compare every row with
``app.current_site_id``. The setting is transaction-local, so that a pooled connection keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from django.db import connection, transaction

from apps.core.context import current_actor, current_request_id

SITE_SETTING = "app.current_site_id"
SiteStamp = UUID | None

_bound: ContextVar[UUID | None] = ContextVar("posx_bound_site", default=None)
_active: ContextVar[UUID | None] = ContextVar("posx_active_site", default=None)


class SiteScopeMissing(RuntimeError):
    """Rows of a site were asked for while no site scope was open."""


class NestedSiteScope(RuntimeError):
    """A scope of one site was opened inside work bound to another site."""


class CrossedSiteScope(RuntimeError):
    """A queryset, iterator or row of one site was used in the scope of another."""


@contextmanager
def bind_site(site_id: UUID) -> Iterator[UUID]:
    """Remember the site for this thread of work, without touching the database.

    Raises NestedSiteScope inside work that is bound to another site, SiteScopeMissing for what is no UUID.
    """
    if not isinstance(site_id, UUID):
        raise SiteScopeMissing("A site is bound by its UUID.")
    _refuse_other_site(site_id)
    token = _bound.set(site_id)
    try:
        yield site_id
    finally:
        _bound.reset(token)


@contextmanager
def site_scope(site_id: UUID | None = None) -> Iterator[UUID]:
    """Open a transaction in which only rows of the site exist; yields the site's id.

    Without an argument it is the bound site. The outermost scope is durable: it cannot sit inside somebody
    else's transaction, whose rollback would undo what its caller was told is done. A nested scope of the
    same site is a savepoint. Raises SiteScopeMissing or NestedSiteScope.
    """
    target = _active.get() or _bound.get() if site_id is None else site_id
    if not isinstance(target, UUID):
        # Text too: '' would fall back to the bound site, and "1..." would not equal the same site's UUID.
        raise SiteScopeMissing(
            "No site is bound: open site_scope(site_id) or bind_site(site_id) with its UUID."
        )
    _refuse_other_site(target)
    if _active.get() is not None:
        with transaction.atomic():
            yield target
        return
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('app.current_site_id', %s, true), set_config('app.actor_kind', %s, true),"
                " set_config('app.actor_id', %s, true), set_config('app.request_id', %s, true)",
                [str(target), *_who()],
            )
        token = _active.set(target)
        try:
            yield target
        finally:
            _active.reset(token)


def current_site_id() -> UUID:
    """The site whose scope is open. Raises SiteScopeMissing."""
    site_id = _active.get()
    if site_id is None:
        raise SiteScopeMissing("Rows of a site are only reachable inside site_scope().")
    return site_id


def bound_site_id() -> UUID | None:
    """The site that this work is bound to or scoped to, or None."""
    return _active.get() or _bound.get()


def active_site_id() -> SiteStamp:
    """The site whose scope is open, or None."""
    return _active.get()


def in_scope() -> bool:
    """Whether a site scope is open."""
    return _active.get() is not None


def require_scope() -> UUID:
    """For step functions, which must run inside their caller's transaction. Raises SiteScopeMissing."""
    return current_site_id()


def _refuse_other_site(site_id: UUID) -> None:
    # A savepoint's release would keep the inner site's setting for the rest of the outer transaction.
    for other in (_active.get(), _bound.get()):
        if other is not None and other != site_id:
            raise NestedSiteScope(f"Work for site {other} may not open site {site_id}.")


def _who() -> tuple[str, str, str]:
    actor = current_actor()
    kind, actor_id = (actor.kind, actor.id) if actor else ("", "")
    return kind, actor_id, current_request_id() or ""
