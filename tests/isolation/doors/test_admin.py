"""Every page of the admin with ids of another site, by each role of staff: as unknown as ids of nothing.

tests/admin says what the pages do; here is the walk over their URL patterns.
"""

from __future__ import annotations

import pytest
from django.contrib.admin import site as admin_site
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from apps.accounts.models import Role
from tests.admin.rows import entered, staff_of
from tests.isolation.doors.admin_pages import (
    AdminCase,
    AdminPage,
    UnknownPage,
    admin_pages,
    cases_of,
    plain_addresses,
)
from tests.isolation.doors.admin_walk import admin_asked, admin_findings
from tests.isolation.doors.conftest import Standing

pytestmark = pytest.mark.isolation("every endpoint")


def _known_cases(page: AdminPage) -> list[AdminCase]:
    try:
        return cases_of(page)
    except UnknownPage:
        return []  # test_the_walk_can_ask_for_each_page says so


CASES = [case for page in admin_pages() for case in _known_cases(page)]
STAFF = [Role.OPERATOR, Role.APPROVER, Role.AUDITOR]


@pytest.fixture(scope="module")
def people(standing: Standing) -> dict[Role, Client]:
    """A browser of one person of A for each role of staff."""
    # A process asks for each content type once, and only the first page of a pair would be the one that does.
    ContentType.objects.get_for_models(*admin_site._registry)
    return {role: entered(staff_of(standing.here.site, role=role)) for role in STAFF}


def test_every_registered_model_has_its_pages() -> None:
    walked = {page.model for page in admin_pages() if page.kind == "changelist"}
    assert walked == set(admin_site._registry)
    assert len(CASES) > 300


def test_the_walk_can_ask_for_each_page() -> None:
    for page in admin_pages():
        cases_of(page)


@pytest.mark.parametrize("page", admin_pages(), ids=str)
def test_no_page_shows_rows_of_another_site(
    page: AdminPage, untouched: Standing, people: dict[Role, Client]
) -> None:
    for address in plain_addresses(page):
        answer = admin_asked(people[Role.APPROVER], "GET", address, {})
        assert answer.status in (200, 302, 403, 404), address
        assert answer.leaks(untouched.marks, address) == [], address


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_foreign_id_is_like_an_unknown_one(
    case: AdminCase, untouched: Standing, people: dict[Role, Client]
) -> None:
    # What a list finds does not hang on the role; what may be done to a row does.
    for role in STAFF if case.page.names or case.method == "POST" else [Role.APPROVER]:
        assert admin_findings(case, people[role], untouched.here, untouched.there, untouched.marks) == [], (
            role
        )
