"""What PostgreSQL and the admin hold about differences, whatever the Python code does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from apps.accounts.models import Role
from apps.audit.models import AuditEvent
from apps.operations.models import Difference, DifferenceKind
from apps.operations.threeway.compare import Kind
from apps.operations.threeway.record import KINDS
from apps.sites.models import Site
from tests.admin.rows import entered, first_of, staff_of
from tests.factories import in_site, make_site
from tests.servers import REPOSITORY

pytestmark = pytest.mark.usefixtures("database")
PAGE = "/admin/operations/difference/"


@pytest.fixture
def site() -> Site:
    """A site with one open difference."""
    site = make_site()
    with in_site(site):
        make()
    return site


def make(**fields: Any) -> Difference:
    now = timezone.now()
    whole = {
        "kind": "payment_amount",
        "subject": "payment",
        "object_id": "pi_1",
        "source": "stripe",
        "expected": "1 USD",
        "found": "2 USD",
        "first_seen_at": now,
        "last_seen_at": now,
        "next_check_at": now,
    }
    return Difference.objects.create(**whole | fields)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("kind = 'payment_missing'", "difference_frozen"),
        ("object_id = 'pi_2'", "difference_frozen"),
        ("closed_at = now()", "difference_open_is_due"),
        ("next_check_at = NULL", "difference_open_is_due"),
        ("reason = 'because'", "difference_acknowledged_whole"),
    ],
)
def test_what_the_database_refuses(site: Site, change: str, rule: str) -> None:
    with pytest.raises(IntegrityError, match=rule), in_site(site), connection.cursor() as cursor:
        cursor.execute(f"UPDATE operations_difference SET {change}")


def test_one_open_row_a_difference_and_a_new_one_after_it_was_closed(site: Site) -> None:
    with pytest.raises(IntegrityError, match="difference_open_once"), in_site(site):
        make()
    with in_site(site):
        Difference.objects.update(closed_at=timezone.now(), next_check_at=None)
        make()
    with pytest.raises(IntegrityError, match="difference_set_once"), in_site(site):
        Difference.objects.filter(closed_at__isnull=False).update(
            closed_at=None, next_check_at=timezone.now()
        )


def test_staff_acknowledge_with_a_reason_and_history_names_them(site: Site) -> None:
    person = staff_of(site, role=Role.OPERATOR)
    row = first_of(site, Difference)
    client = entered(person)
    assert client.get(f"{PAGE}?open=yes").status_code == 200
    asked = {"ids": str(row.id), "reason": "the bank's fee"}
    response = client.post(f"{PAGE}ask/acknowledge/", asked)
    assert response.status_code == 302
    row = first_of(site, Difference)
    assert (row.reason, row.closed_at) == ("the bank's fee", None)
    with in_site(site):
        event = AuditEvent.objects.get(row_id=row.id, action="update")
    assert event.after is not None
    assert (event.actor_id, event.after["reason"]) == (str(row.acknowledged_by_id), "the bank's fee")


def test_an_auditor_looks_and_does_not_acknowledge(site: Site) -> None:
    client = entered(staff_of(site, role=Role.AUDITOR))
    row = first_of(site, Difference)
    assert client.get(PAGE).status_code == 200
    asked = {"ids": str(row.id), "reason": "mine"}
    assert client.post(f"{PAGE}ask/acknowledge/", asked).status_code == 403
    assert first_of(site, Difference).reason == ""


def test_a_reason_is_needed(site: Site) -> None:
    row = first_of(site, Difference)
    client = entered(staff_of(site, role=Role.OPERATOR))
    assert client.post(f"{PAGE}ask/acknowledge/", {"ids": str(row.id), "reason": " "}).status_code == 200
    assert first_of(site, Difference).acknowledged_by_id is None


def test_every_kind_has_its_words_its_subject_and_its_line_in_the_docs() -> None:
    page = (REPOSITORY / "docs" / "three-way-check.md").read_text()
    assert {kind.value for kind in Kind} == set(DifferenceKind.values)
    assert sorted(kind for kinds in KINDS.values() for kind in kinds) == sorted(Kind)
    assert [kind.value for kind in Kind if f"`{kind.value}`" not in page] == []
