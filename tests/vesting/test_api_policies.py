"""/api/v1/staff/vesting/policies/: terms that make no schedule are refused before anything is sold under them."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Role
from apps.audit.models import AuditEvent
from tests.clients import api_of
from tests.factories import in_site, make_member
from tests.payouts.scenes import Scene

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
POLICIES = "/api/v1/staff/vesting/policies/"
TERMS = {"name": "Seed", "tge_basis_points": 1000, "cliff_count": 6, "parts": 24}


def create(who: Any, **fields: Any) -> Any:
    return api_of(who).post(POLICIES, TERMS | fields)


def test_a_policy_is_made_and_listed() -> None:
    scene = Scene()
    made = create(scene.operator)
    assert made.status_code == 201
    assert made.json() | {"id": "", "created_at": ""} == TERMS | {
        "id": "",
        "created_at": "",
        "version": 1,
        "terms": None,
        "cliff_unit": "month",
        "period_count": 1,
        "period_unit": "month",
        "starts_at": None,
        "is_active": True,
    }
    assert api_of(scene.operator).get(POLICIES).json()["results"] == [made.json()]


def test_the_same_name_is_the_next_version() -> None:
    scene = Scene()
    versions = [create(scene.operator, parts=parts).json()["version"] for parts in (1, 2, 3)]
    assert versions == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"parts": 0}, "parts_missing"),
        ({"tge_basis_points": 10000}, "parts_not_needed"),
        ({"parts": 10000, "period_unit": "year"}, "span_too_long"),
        ({"starts_at": "9998-01-01T00:00:00Z"}, "date_out_of_range"),
        ({"tge_basis_points": 10001}, "max_value"),
        ({"tge_basis_points": 12.5}, "invalid"),
        ({"parts": "24"}, "invalid"),
        ({"period_count": 0}, "min_value"),
        ({"cliff_unit": "decade"}, "invalid_choice"),
        ({"cliff_units": "month"}, "unknown"),
        ({"name": "a\x00b"}, "null_characters_not_allowed"),
    ],
)
def test_impossible_terms_are_400(fields: dict[str, Any], code: str) -> None:
    answer = create(Scene().operator, **fields)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [("buyer", 403, 403), ("operator", 200, 201), ("approver", 200, 201), ("auditor", 200, 403)],
)
def test_roles(role: str, reads: int, writes: int) -> None:
    member = make_member(Scene().site, Role(role))
    assert (api_of(member).get(POLICIES).status_code, create(member).status_code) == (reads, writes)


def test_who_made_it_is_in_the_audit_trail() -> None:
    scene = Scene()
    made = create(scene.operator).json()
    with in_site(scene.site):
        event = AuditEvent.objects.get(row_id=made["id"])
    assert (event.actor_kind, event.actor_id) == ("user", str(scene.operator.id))
