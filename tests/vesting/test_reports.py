"""Reports for staff: figures that add up, by the site's days, and an export that needs little memory."""

from __future__ import annotations

import csv
import hashlib
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.core.amounts import format_base_units
from apps.payouts.outcomes import OutcomeKind
from apps.vesting.models import Release
from apps.vesting.reports.export import releases_csv
from tests.admin.rows import entered, staff_of
from tests.clients import api_of
from tests.databases import rules_off
from tests.factories import in_site, make_member
from tests.vesting.test_freezing import Pausing
from tests.vesting.test_milestones import Grant
from tests.vesting.test_revocation import TOTAL

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
REPORTS = "/api/v1/staff/reports/"


def _report(scene: Pausing, name: str) -> Any:
    answer = api_of(scene.approver).get(f"{REPORTS}{name}/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_calendar_adds_up_to_what_unlocks_within_a_year() -> None:
    scene = Pausing()
    with in_site(scene.site):
        soon = Release.objects.filter(
            site_id=scene.site.id, status="locked", unlock_at__lt=timezone.now() + timedelta(days=366)
        )
        expected = sorted((r.unlock_at.date().isoformat(), str(r.amount_base_units)) for r in soon)

    [asset] = _report(scene, "unlock-calendar")["assets"]

    assert [(day["day"], day["amount_base_units"]) for day in asset["days"]] == expected != []
    scene.pause()
    assert _report(scene, "unlock-calendar")["assets"] == []


def test_supply_is_what_was_granted_unlocked_and_released() -> None:
    scene = Pausing()
    sent = scene.submitted(scene.request(count=2))
    scene.end(sent, OutcomeKind.PAID)

    [asset] = _report(scene, "supply")["assets"]

    assert {name: int(value) for name, value in asset["days"][-1].items() if name != "day"} == {
        "granted_base_units": TOTAL,
        "unlocked_base_units": scene.vested,
        "released_base_units": sent[0].amount_base_units,
    }


def test_policies_say_how_much_was_granted() -> None:
    scene = Pausing()
    [policy] = _report(scene, "policies")["policies"]
    assert (policy["allocations"], policy["amount_base_units"]) == (1, str(TOTAL))


def test_the_export_has_every_release_and_the_hash_of_all_before_its_last_line() -> None:
    scene = Pausing()
    answer = api_of(scene.approver).get(f"{REPORTS}releases/export/", headers={"Accept": "text/csv"})

    content = answer.getvalue()
    before, _, last = content.rpartition(b"sha256,")
    rows = list(csv.DictReader(before.decode().splitlines()))

    assert last == f"{hashlib.sha256(before).hexdigest()}\r\n".encode()
    assert sum(int(row["amount_base_units"]) for row in rows) == TOTAL
    # And page by page it is the same file
    assert b"".join(releases_csv(site_id=scene.site.id, page_rows=3)) == content


def test_what_waits_for_a_milestone_has_no_date() -> None:
    grant = Grant()
    content = b"".join(releases_csv(site_id=grant.site.id)).rpartition(b"sha256,")[0].decode()
    waiting = [row for row in csv.DictReader(content.splitlines()) if row["milestone"]]
    assert [row["unlock_at"] for row in waiting] == [""] * len(waiting) != []


def test_buyers_get_no_report() -> None:
    scene = Pausing()
    buyer = api_of(make_member(scene.site, Role.BUYER))
    for name in ("unlock-calendar", "supply", "policies", "releases/export"):
        assert buyer.get(f"{REPORTS}{name}/").status_code == 403


def _peak_bytes(site_id: Any) -> tuple[int, int]:
    """(most memory held at once, lines) of one export."""
    tracemalloc.start()
    lines = sum(piece.count(b"\r\n") for piece in releases_csv(site_id=site_id))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, lines


def test_the_export_of_more_rows_takes_no_more_memory(admin_connection: Any) -> None:
    # Given five pages of releases, and later fifteen
    scene, peaks = Pausing(), []
    for count in (10_000, 20_000):
        with rules_off(admin_connection) as cursor:
            cursor.execute(
                "INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at,"
                " amount_base_units, status, tx_hash) SELECT gen_random_uuid(), site_id, schedule_id, allocation_id,"
                " %s + n, now(), 1, 'locked', '' FROM (SELECT * FROM vesting_release LIMIT 1) r,"
                " generate_series(1, %s) n",
                [count, count],
            )
        peaks.append(_peak_bytes(scene.site.id))

    # Then three times the lines take the memory of one page
    (small, few), (large, many) = peaks
    assert few > 10_000 and many > 30_000
    assert large < small * 1.2


def test_the_page_in_the_admin_has_pictures_and_is_linked() -> None:
    scene = Pausing()
    browser = entered(staff_of(scene.site), scene.site)
    assert "/admin/vesting/allocation/reports/" in browser.get("/admin/").content.decode()
    page = browser.get("/admin/vesting/allocation/reports/").content.decode()
    assert page.count("<svg") >= 2
    assert f"<td>{format_base_units(scene.vested, scene.asset.decimals)}</td>" in page
