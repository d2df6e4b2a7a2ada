"""A statement as a page and as curves: for its owner and for staff, the same bytes for one instant."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from apps.accounts.models import Role
from apps.payouts.outcomes import OutcomeKind
from apps.vesting.curve_drawing import draw_svg
from apps.vesting.statement_curves import picture_of
from apps.vesting.statements import statement_of
from tests.admin.rows import entered, staff_of
from tests.clients import api_of
from tests.factories import in_site, make_member, make_site
from tests.vesting.test_freezing import Pausing
from tests.vesting.test_revocation import TOTAL
from tests.vesting.test_statements import STATEMENT, Told

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
CURVE = f"{STATEMENT}curve/"


def test_curves_follow_history_and_stay(admin_connection: Any) -> None:
    # Given two releases that were paid out, and what is revoked and frozen only later
    scene = Told(admin_connection)
    sent = scene.submitted(scene.request(count=2))
    scene.end(sent, OutcomeKind.PAID)
    at = scene.later()
    with in_site(scene.site):
        before = picture_of(statement_of(beneficiary_id=scene.owner.id, as_of=at))
    scene.ask()
    scene.pause()

    # When it is drawn again as of that instant
    with in_site(scene.site):
        after = picture_of(statement_of(beneficiary_id=scene.owner.id, as_of=at))

    # Then
    assert draw_svg(after) == draw_svg(before)
    vested, unlocked, released = (series.points[-1][1] for series in after.series)
    assert (vested, unlocked, released) == (TOTAL, scene.vested, sent[0].amount_base_units)


@pytest.mark.parametrize(("shape", "kind"), [("svg", "image/svg+xml"), ("png", "image/png")])
def test_images_are_the_same_bytes_for_owner_and_staff(admin_connection: Any, shape: str, kind: str) -> None:
    scene = Told(admin_connection)
    at = scene.later().isoformat()
    staff = api_of(make_member(scene.site, role=Role.AUDITOR))
    asked = {"as_of": at, "shape": shape, "asset_id": str(scene.allocation.asset_id)}

    own = api_of(scene.owner).get(CURVE, asked, headers={"Accept": kind})
    theirs = staff.get(f"/api/v1/staff/vesting/statements/{scene.owner.id}/curve/", asked)

    assert own.status_code == theirs.status_code == 200, own.content
    assert own.content == theirs.content
    assert own["Content-Type"].startswith(kind)
    if shape == "png":
        assert Image.open(io.BytesIO(own.content)).size == (900, 420)


def test_an_asset_without_allocation_is_not_found_and_nothing_is_drawn_too() -> None:
    member = make_member(make_site())
    assert api_of(member).get(CURVE).status_code == 200
    assert api_of(member).get(CURVE, {"asset_id": str(member.id)}).status_code == 404


def test_the_page_bears_the_documents_hash_and_figures(admin_connection: Any) -> None:
    scene = Told(admin_connection)
    at = scene.later().isoformat()
    document = api_of(scene.owner).get(STATEMENT, {"as_of": at}).json()
    page = api_of(scene.owner).get(STATEMENT, {"as_of": at, "shape": "html"}, headers={"Accept": "text/html"})

    text = page.content.decode()
    assert document["sha256"] in text and "<svg" in text and "@media print" in text
    assert all(
        release["id"] or release["unlock_at"] in text for release in document["allocations"][0]["releases"]
    )
    assert "default-src 'none'" in page["Content-Security-Policy"]


def test_staff_read_the_page_in_the_admin() -> None:
    scene = Pausing()
    browser = entered(staff_of(scene.site), scene.site)
    link = f"/admin/vesting/allocation/{scene.allocation.id}/statement/"

    assert link in browser.get(f"/admin/vesting/allocation/{scene.allocation.id}/change/").content.decode()
    assert str(scene.owner.id) in browser.get(link).content.decode()
    assert browser.post(link).status_code == 405
