"""Which site a request is for: Host or X-Site-Code, never two, never none."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings

from tests.factories import make_site

pytestmark = [pytest.mark.usefixtures("database")]

CATALOGUE = "/api/v1/tiers/"


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.isolation("host and header")
def test_the_header_names_the_site(client: Client) -> None:
    make_site("NA")
    assert client.get(CATALOGUE, headers={"X-Site-Code": "NA"}).status_code == 200


def test_the_sites_own_host_names_it(client: Client) -> None:
    make_site("NA", host="na.example.test")
    with override_settings(ALLOWED_HOSTS=["na.example.test"]):
        assert client.get(CATALOGUE, headers={"Host": "na.example.test"}).status_code == 200


@pytest.mark.isolation("host and header")
def test_no_site_is_400(client: Client) -> None:
    answer = client.get(CATALOGUE)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_site")
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.isolation("host and header")
def test_two_sites_are_400(client: Client) -> None:
    make_site("NA", host="na.example.test")
    make_site("ASIA")
    with override_settings(ALLOWED_HOSTS=["na.example.test"]):
        answer = client.get(CATALOGUE, headers={"Host": "na.example.test", "X-Site-Code": "ASIA"})
    assert (answer.status_code, answer.json()["code"]) == (400, "two_sites")


@pytest.mark.parametrize("code", ["NOPE", "na", "A" * 300, "N A", "N\x01"])
def test_an_unknown_site_is_404(client: Client, code: str) -> None:
    make_site("NA")
    answer = client.get(CATALOGUE, headers={"X-Site-Code": code})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_site")


def test_an_inactive_site_is_as_if_unknown(client: Client) -> None:
    make_site("NA", is_active=False)
    answer = client.get(CATALOGUE, headers={"X-Site-Code": "NA"})
    unknown = client.get(CATALOGUE, headers={"X-Site-Code": "XX"})
    assert answer.status_code == 404
    assert {**answer.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}


def test_health_and_webhooks_need_no_site(client: Client) -> None:
    assert client.get("/health/").status_code == 200
    assert (
        client.post("/api/v1/webhooks/stripe/", b"{}", content_type="application/json").json()["code"]
        != "no_site"
    )
