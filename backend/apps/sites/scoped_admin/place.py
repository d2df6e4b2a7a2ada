"""Where in the admin a person works: the chosen site and what the membership there allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from django.http import HttpRequest

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class StaffPlace:
    """One person's staff membership in one site, as the database had it when the request began."""

    site_id: UUID
    site_code: str
    site_name: str
    member_id: UUID
    role_label: str
    may_write: bool
    may_approve: bool


@dataclass(frozen=True, slots=True)
class StaffPlaces:
    """All sites of a person, and the one that the session has chosen."""

    all: tuple[StaffPlace, ...] = ()
    current: StaffPlace | None = None


def set_places(request: HttpRequest, places: StaffPlaces) -> None:
    """Remember them for the request."""
    request.staff_places = places  # type: ignore[attr-defined]


def places_of(request: HttpRequest) -> StaffPlaces:
    """Nothing, outside the admin's own views."""
    found = getattr(request, "staff_places", None)
    return found if isinstance(found, StaffPlaces) else StaffPlaces()


def place_of(request: HttpRequest) -> StaffPlace | None:
    """The chosen site, or None."""
    return places_of(request).current


def opens_own_scope(view: View) -> View:
    """Mark an admin view that is bound to the site but not wrapped in a scope.

    For views that call entry services: those open their own durable scope, may call a provider, and ring only
    after their outermost commit.
    """
    view.opens_own_scope = True  # type: ignore[attr-defined]
    return view


def has_own_scope(view: Callable[..., Any]) -> bool:
    """Whether the view is marked by ``opens_own_scope``."""
    return bool(getattr(view, "opens_own_scope", False))
