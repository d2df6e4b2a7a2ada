"""The sites in which a person is staff, and the one that their admin session has chosen."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.http import HttpRequest

from apps.accounts.models import Role
from apps.sites.scoped_admin.place import StaffPlace, StaffPlaces

SESSION_KEY = "posx_site"

STAFF_ROLES = (Role.OPERATOR, Role.APPROVER, Role.AUDITOR)
WRITERS = frozenset({Role.OPERATOR, Role.APPROVER})
APPROVERS = frozenset({Role.APPROVER})

# The function answers for one person only, across sites; sites themselves are not under row security.
_PLACES_SQL = """
SELECT m.site_id, s.code, s.name, m.member_id, m.role
FROM public.member_sites(%s) m JOIN public.sites_site s ON s.id = m.site_id
WHERE m.role = ANY(%s) ORDER BY s.code
"""


def staff_places(*, identity_id: UUID) -> list[StaffPlace]:
    """The active sites in which the person is an active member with a staff role, by code; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACES_SQL, [identity_id, [role.value for role in STAFF_ROLES]])
        return [_place(*row) for row in cursor.fetchall()]


def _place(site_id: UUID, code: str, name: str, member_id: UUID, role_value: str) -> StaffPlace:
    role = Role(role_value)
    return StaffPlace(
        site_id=site_id,
        site_code=code,
        site_name=name,
        member_id=member_id,
        role_label=str(role.label),
        may_write=role in WRITERS,
        may_approve=role in APPROVERS,
    )


def places_for(request: HttpRequest) -> StaffPlaces:
    """Asked on each request, so that a membership that ended stops at the next click."""
    places = tuple(staff_places(identity_id=_person(request)))
    if len(places) == 1:
        return StaffPlaces(places, places[0])
    chosen = request.session.get(SESSION_KEY)
    return StaffPlaces(places, next((place for place in places if str(place.site_id) == chosen), None))


def place_choose(request: HttpRequest, *, site_id: str) -> StaffPlace | None:
    """Make a site the session's current one; None when the person is no staff there, or it does not exist."""
    places = staff_places(identity_id=_person(request))
    found = next((place for place in places if str(place.site_id) == site_id), None)
    if found is not None:
        request.session[SESSION_KEY] = str(found.site_id)
    return found


def _person(request: HttpRequest) -> UUID:
    return UUID(str(request.user.pk))  # ValueError for nobody, whom AdminSite does not let in
