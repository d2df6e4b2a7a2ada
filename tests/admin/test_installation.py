"""What platform administrators look after: sites, identities and the schedule."""

from __future__ import annotations

import pytest
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.accounts.models import Identity
from apps.sites.models import Site
from tests.admin.rows import entered, platform_admin
from tests.factories import make_identity, make_site

pytestmark = pytest.mark.usefixtures("database")

SITE = {"code": "ASIA", "name": "Asia", "host": "", "is_active": "on", "currencies": "USD, EUR,USD"}
SITE |= {"wallet_cooling_off_hours": "72", "time_zone": "UTC"}


def test_sites_are_made_here() -> None:
    sent = {**SITE, "approval_rule": "two_people"}
    assert entered(platform_admin()).post("/admin/sites/site/add/", sent).status_code == 302
    site = Site.objects.get(code="ASIA")
    assert (site.currencies, site.host) == (["USD", "EUR"], None)


def test_a_site_keeps_its_code() -> None:
    site = make_site("NA")
    sent = {**SITE, "code": "OTHER", "approval_rule": "one_person"}
    assert entered(platform_admin()).post(f"/admin/sites/site/{site.id}/change/", sent).status_code == 302
    site.refresh_from_db()
    assert (site.code, site.approval_rule) == ("NA", "one_person")


def test_currencies_have_the_form_of_currencies() -> None:
    sent = {**SITE, "currencies": "usd", "approval_rule": "two_people"}
    assert entered(platform_admin()).post("/admin/sites/site/add/", sent).status_code == 200


def test_somebody_new_gets_a_password_that_works() -> None:
    client = entered(platform_admin())
    secret = "correct horse battery"
    sent = {"subject": "olga", "password1": secret, "password2": secret, "is_staff": "on"}
    assert client.post("/admin/accounts/identity/add/", sent).status_code == 302
    person = Identity.objects.get(subject="olga")
    assert person.is_staff
    assert person.check_password(secret)
    assert not person.is_platform_admin


def test_a_password_is_changed_and_never_shown() -> None:
    client = entered(platform_admin())
    person = make_identity("olga", is_staff=True, password="the first secret")
    secret = "correct horse battery"
    page = client.get(f"/admin/accounts/identity/{person.id}/change/").content.decode()
    assert person.password not in page
    address = f"/admin/accounts/identity/{person.id}/password/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"password1": secret, "password2": secret}).status_code == 302
    person.refresh_from_db()
    assert person.check_password(secret)


def test_somebody_is_shut_out() -> None:
    person = make_identity("olga", is_staff=True)
    theirs = entered(person)
    assert theirs.get("/admin/").status_code == 200
    entered(platform_admin()).post(f"/admin/accounts/identity/{person.id}/change/", {"is_staff": "on"})
    assert theirs.get("/admin/").status_code == 302
    person.refresh_from_db()
    assert (person.is_active, person.subject) == (False, "olga")


def test_staff_without_a_site_see_no_people() -> None:
    client = entered(make_identity(is_staff=True))
    assert client.get("/admin/").status_code == 200
    assert client.get("/admin/accounts/identity/").status_code == 403


def test_a_periodic_task_is_switched_off_and_never_sent_from_here() -> None:
    every = IntervalSchedule.objects.create(every=1, period="minutes")
    task = PeriodicTask.objects.create(name="plain", task="config.nothing", interval=every)
    client = entered(platform_admin())
    address = "/admin/django_celery_beat/periodictask/"
    assert "run_tasks" not in client.get(address).content.decode()
    client.post(address, {"action": "disable_tasks", "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert not task.enabled
