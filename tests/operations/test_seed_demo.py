"""`manage.py seed_demo`: the demo's site, again and again."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db.models import Count
from pytest_django import Settings

from apps.accounts.models import Identity, Membership
from apps.audit.models import AuditEvent
from apps.sites.models import Asset, Site
from apps.tiers.models import Tier
from apps.vesting.models import VestingPolicy
from tests.clients import api
from tests.factories import in_site

pytestmark = pytest.mark.usefixtures("database")


def seed(**options: Any) -> dict[str, Any]:
    out = StringIO()
    call_command("seed_demo", json=True, stdout=out, **options)
    return dict(json.loads(out.getvalue().splitlines()[-1]))


def demo_site() -> Site:
    return Site.objects.get(code="DEMO")


def counts() -> dict[str, int]:
    with in_site(demo_site()):
        return {
            model.__name__: model.objects.count()
            for model in (Site, Identity, Membership, Asset, VestingPolicy, Tier, AuditEvent)
        }


def test_the_first_run_says_all_that_the_demo_needs() -> None:
    said = seed()

    assert said | {"admin_password": "", "tier_id": ""} == {
        "site_code": "DEMO",
        "admin_username": "demo-admin",
        "admin_password": "",
        "buyer_subject": "demo|buyer",
        "staff": {"operator": "demo|operator", "approver": "demo|approver", "auditor": "demo|auditor"},
        "tier_id": "",
    }
    with in_site(demo_site()):
        assert Tier.objects.filter(id=said["tier_id"], is_active=True).exists()


def test_the_admin_may_log_in_with_the_password_that_was_said() -> None:
    said = seed()

    identity = authenticate(username="demo-admin", password=said["admin_password"])

    assert isinstance(identity, Identity)
    assert (identity.is_staff, identity.is_platform_admin) == (True, True)


def test_another_run_changes_nothing_and_says_no_password() -> None:
    first = seed()
    before = counts()

    second = seed()

    assert counts() == before
    assert second == first | {"admin_password": None}
    assert authenticate(username="demo-admin", password=first["admin_password"])


def test_a_given_password_becomes_the_admins() -> None:
    seed()

    said = seed(admin_password="a given password")

    assert said["admin_password"] == "a given password"
    assert authenticate(username="demo-admin", password="a given password")


def test_the_policies_start_is_kept() -> None:
    seed()
    with in_site(demo_site()):
        before = VestingPolicy.objects.get(name="Seed round").starts_at
        seed_round_versions = VestingPolicy.objects.filter(name="Seed round").aggregate(n=Count("id"))["n"]
    seed()

    with in_site(demo_site()):
        assert VestingPolicy.objects.get(name="Seed round").starts_at == before
    assert seed_round_versions == 1


def test_history_names_the_command() -> None:
    seed()

    with in_site(demo_site()):
        actors = set(AuditEvent.objects.values_list("actor_kind", "actor_id"))
    assert actors == {("command", "seed_demo")}


def test_staff_have_their_roles_and_the_buyer_has_yet_to_join() -> None:
    said = seed()
    site = demo_site()

    roles = {
        name: api(site, subject).get("/api/v1/me/").json()["role"] for name, subject in said["staff"].items()
    }

    assert roles == {"operator": "operator", "approver": "approver", "auditor": "auditor"}
    assert api(site, said["buyer_subject"]).get("/api/v1/me/").status_code == 404
    assert api(site, said["buyer_subject"]).post("/api/v1/me/").status_code == 201


def test_a_deployed_installation_is_left_alone(settings: Settings) -> None:
    settings.SETTINGS_MODULE = "config.settings.railway"

    with pytest.raises(CommandError, match="--allow-deployed"):
        seed()
    assert not Site.objects.exists()
