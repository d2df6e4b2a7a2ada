"""Getting in, and the one site that a person works in at a time."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import Membership, Role
from apps.sites.models import Site
from tests.admin.rows import entered, platform_admin, staff_of
from tests.factories import in_site, make_identity, make_member, make_site, make_tier

pytestmark = pytest.mark.usefixtures("database")
TIERS, CHOOSE, INDEX = "/admin/tiers/tier/", "/admin/site/", "/admin/"


def test_staff_log_in_with_subject_and_password() -> None:
    person = make_identity("olga", is_staff=True, password="a long enough one")
    make_member(make_site("NA"), Role.OPERATOR, identity=person)
    client = Client()
    page = client.post(
        "/admin/login/", {"username": "olga", "password": "a long enough one", "next": INDEX}, follow=True
    )
    assert page.redirect_chain == [(INDEX, 302)]
    assert "olga" in page.content.decode()


@pytest.mark.parametrize("fields", [{"is_staff": False}, {"is_staff": True, "is_active": False}])
def test_others_do_not_get_in(fields: dict[str, bool]) -> None:
    make_identity("olga", password="a long enough one", **fields)
    page = Client().post("/admin/login/", {"username": "olga", "password": "a long enough one"})
    assert page.status_code == 200
    assert "sessionid" not in page.cookies


def test_the_only_site_is_chosen_by_itself() -> None:
    site = make_site("NA")
    make_tier(site, name="The early tier")
    page = entered(staff_of(site)).get(TIERS).content.decode()
    assert "The early tier" in page
    assert "NA" in page


def test_with_two_sites_one_has_to_be_chosen() -> None:
    client = entered(staff_of(make_site("NA"), make_site("ASIA")))
    assert client.get(TIERS)["Location"] == CHOOSE
    assert client.get(INDEX).status_code == 200
    page = client.get(CHOOSE).content.decode()
    assert "NA" in page
    assert "ASIA" in page


def test_choosing_shows_that_site_only_and_can_be_changed() -> None:
    north, asia = make_site("NA"), make_site("ASIA")
    make_tier(north, name="Northern tier")
    make_tier(asia, name="Asian tier")
    client = entered(staff_of(north, asia))
    for site, seen, unseen in ((north, "Northern", "Asian"), (asia, "Asian", "Northern")):
        assert client.post(CHOOSE, {"site": str(site.id)})["Location"] == INDEX
        page = client.get(TIERS).content.decode()
        assert f"{seen} tier" in page
        assert f"{unseen} tier" not in page


@pytest.mark.parametrize("wrong", ["", "x", "\x00", "01900000-0000-7000-8000-000000000000"])
def test_a_wrong_choice_is_refused_and_changes_nothing(wrong: str) -> None:
    client = entered(staff_of(make_site("NA"), make_site("ASIA")))
    assert client.post(CHOOSE, {"site": wrong}).status_code == 404
    assert client.get(TIERS)["Location"] == CHOOSE


def test_a_foreign_site_is_refused_like_one_that_does_not_exist() -> None:
    foreign = make_site("FOREIGN")
    client = entered(staff_of(make_site("NA"), make_site("ASIA")))
    answers = [
        client.post(CHOOSE, {"site": site})
        for site in (str(foreign.id), "01900000-0000-7000-8000-000000000000")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "FOREIGN" not in answers[0].content.decode()


def test_a_buyer_s_site_is_not_offered() -> None:
    own, bought = make_site("OWN"), make_site("BOUGHT")
    person = staff_of(own)
    make_member(bought, Role.BUYER, identity=person)
    client = entered(person, bought)
    assert "BOUGHT" not in client.get(CHOOSE).content.decode()
    assert client.post(CHOOSE, {"site": str(bought.id)}).status_code == 404


def test_a_membership_that_ends_stops_at_the_next_click() -> None:
    north, asia = make_site("NA"), make_site("ASIA")
    person = staff_of(north, asia, make_site("THIRD"))
    client = entered(person, north)
    assert client.get(TIERS).status_code == 200
    with in_site(north):
        Membership.objects.filter(identity=person).update(is_active=False)
    assert client.get(TIERS)["Location"] == CHOOSE
    assert north.code not in _offered(client)


def test_a_closed_site_is_gone() -> None:
    north, asia = make_site("NA"), make_site("ASIA")
    client = entered(staff_of(north, asia), north)
    Site.objects.filter(id=north.id).update(is_active=False)
    assert north.code not in _offered(client)


def _offered(client: Client) -> list[str]:
    return [place.site_code for place in client.get(CHOOSE).context["staff_places"].all]


def test_the_session_holds_the_id_of_the_site_and_no_more() -> None:
    north = make_site("NA")
    client = entered(staff_of(north, make_site("ASIA")))
    client.post(CHOOSE, {"site": str(north.id)})
    kept = {key: value for key, value in client.session.items() if not key.startswith("_auth")}
    assert kept == {"posx_site": str(north.id)}


def test_choosing_needs_a_token_against_forged_forms() -> None:
    site = make_site("NA")
    client = entered(staff_of(site, make_site("ASIA")))
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(CHOOSE, {"site": str(site.id)}).status_code == 403


def test_nobody_is_sent_to_log_in_first() -> None:
    for address in (INDEX, TIERS, CHOOSE, "/admin/autocomplete/"):
        assert Client().get(address)["Location"].startswith(reverse("admin:login"))


def test_view_on_site_which_asks_no_admin_is_gone() -> None:
    assert entered(platform_admin()).get("/admin/r/1/1/").status_code == 404
