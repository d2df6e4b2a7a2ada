"""History of what lies below the audit room: the rules that decide who has to agree to a payout."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection

from apps.audit.attached import AttachTrail, SiteTrail
from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.sites.models import Asset, Site
from apps.sites.scope import site_scope
from tests.admin.rows import entered, platform_admin
from tests.factories import in_site, make_asset, make_site

pytestmark = pytest.mark.usefixtures("database")


def events_of(site: Site, row_id: Any) -> list[AuditEvent]:
    with site_scope(site.id):
        return list(AuditEvent.objects.filter(row_id=row_id).order_by("id"))


def test_the_limit_below_which_nobody_is_asked_has_a_history() -> None:
    site = make_site("NA")
    asset = make_asset(site)
    with acting_as("user", "olga"), site_scope(site.id):
        Asset.objects.filter(pk=asset.pk).update(auto_approve_below_base_units=10**20)
    born, changed = events_of(site, asset.id)
    assert born.action == "insert"
    assert (changed.actor_kind, changed.actor_id, changed.table_name) == ("user", "olga", "sites_asset")
    assert changed.before is not None and changed.after is not None
    name = "auto_approve_below_base_units"
    assert (changed.before[name], changed.after[name]) == ("0", str(10**20))


def test_a_generation_event_that_moves_has_a_history() -> None:
    site = make_site("NA")
    asset = make_asset(site)
    with in_site(site):
        Asset.objects.filter(pk=asset.pk).update(generation_at="2027-01-01T00:00:00Z")
    _born, changed = events_of(site, asset.id)
    assert (changed.before, changed.after) == (
        {"generation_at": None},
        {"generation_at": "2027-01-01 00:00:00+00"},
    )


def test_the_limit_is_not_changed_by_nobody() -> None:
    site = make_site("NA")
    make_asset(site)
    with pytest.raises(IntegrityError, match="no actor is set"), site_scope(site.id):
        Asset.objects.update(auto_approve_below_base_units=1)


def test_the_site_s_approval_rule_has_a_history_in_the_site() -> None:
    site = make_site("NA")
    with in_site(site):
        Site.objects.filter(pk=site.pk).update(approval_rule="one_person")
    (changed,) = events_of(site, site.id)
    assert (changed.site_id, changed.table_name) == (site.id, "sites_site")
    assert (changed.before, changed.after) == (
        {"approval_rule": "two_people"},
        {"approval_rule": "one_person"},
    )


def test_other_columns_of_a_site_change_without_one() -> None:
    site = make_site("NA")
    Site.objects.filter(pk=site.pk).update(is_active=False)
    assert events_of(site, site.id) == []


@pytest.mark.isolation("history")
def test_a_site_s_rule_is_not_changed_by_nobody_nor_from_another_site() -> None:
    here, there = make_site("NA"), make_site("ASIA")
    with pytest.raises(IntegrityError, match="no actor is set"):
        Site.objects.filter(pk=here.pk).update(approval_rule="one_person")
    with pytest.raises(DatabaseError, match="row-level security"), in_site(there):
        Site.objects.filter(pk=here.pk).update(approval_rule="one_person")
    here.refresh_from_db()
    assert here.approval_rule == "two_people"


def test_a_platform_administrator_s_change_in_the_admin_leaves_one() -> None:
    site, admin = make_site("NA"), platform_admin()
    sent = {"name": "Sale", "host": "", "is_active": "on", "currencies": "USD", "approval_rule": "one_person"}
    sent |= {"wallet_cooling_off_hours": "72", "time_zone": "UTC"}
    assert entered(admin).post(f"/admin/sites/site/{site.id}/change/", sent).status_code == 302
    (changed,) = events_of(site, site.id)
    assert (changed.actor_kind, changed.actor_id) == ("user", str(admin.pk))


@pytest.mark.isolation("history", control=True)
def test_taken_back_there_is_no_history_and_again_there_is(admin_connection: Any) -> None:
    """Reversible, and the negative control: it is the trigger that writes."""
    trail = SiteTrail(name="site_audit", fields=["approval_rule"])
    site = make_site("NA")
    with admin_connection.cursor() as cursor:
        cursor.execute(trail.down(Site))
        try:
            Site.objects.filter(pk=site.pk).update(approval_rule="one_person")
            assert events_of(site, site.id) == []
        finally:
            cursor.execute(trail.up(Site))
    with in_site(site):
        Site.objects.filter(pk=site.pk).update(approval_rule="two_people")
    assert len(events_of(site, site.id)) == 1


def test_the_operation_runs_both_ways_as_sql(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sqlmigrate", "audit", "0002")
    call_command("sqlmigrate", "audit", "0002", "--backwards")
    shown = capsys.readouterr().out
    for name in ("asset_audit_insert", "asset_audit_update", "asset_audit_delete", "site_audit_update"):
        assert f'CREATE TRIGGER "{name}"' in shown
        assert f'DROP TRIGGER "{name}"' in shown
    assert "site_audit_insert" not in shown


def test_models_do_not_know_of_it() -> None:
    operation = AttachTrail(model="sites.Site", trail=SiteTrail(name="site_audit", fields=["approval_rule"]))
    assert operation.reversible
    assert operation.describe() == "Keep a history of sites.Site"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname = 'site_audit_update'")
        assert cursor.fetchone() == (1,)
