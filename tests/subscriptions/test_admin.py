"""Subscriptions in the admin: made and changed by the same services as in the API."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Role
from apps.subscriptions.models import Subscription
from apps.subscriptions.services import LIMIT_A_SITE, secret_of
from tests.admin.rows import entered, staff_of
from tests.factories import in_site, make_site, make_subscription

pytestmark = pytest.mark.usefixtures("database")
ADD = "admin:subscriptions_subscription_add"
URL = "https://ledger.example.com/hook"
GOOD = {
    "name": "Ledger",
    "url": URL,
    "event_types": ["order.paid", "payout.paid"],
    "is_active": "on",
}


class Desk:
    """An operator in the admin of a site."""

    def __init__(self) -> None:
        self.site = make_site()
        self.client = entered(staff_of(self.site, role=Role.OPERATOR))

    def add(self, **fields: Any) -> Any:
        return self.client.post(reverse(ADD), {**GOOD, **fields})

    def only(self) -> Subscription:
        with in_site(self.site):
            return Subscription.objects.get()


def test_a_new_one_gets_a_secret() -> None:
    desk = Desk()

    assert desk.add().status_code == 302

    made = desk.only()
    assert (made.url, made.event_types) == (URL, GOOD["event_types"])
    assert secret_of(made).startswith("whsec_")


def test_the_secret_is_shown_on_its_page_alone() -> None:
    desk = Desk()
    desk.add()
    made, secret = desk.only(), secret_of(desk.only())

    change = reverse("admin:subscriptions_subscription_change", args=[made.pk])
    ask = reverse("admin:subscriptions_subscription_ask", args=["show-secret"])

    assert secret not in desk.client.get(change).content.decode()
    assert secret in desk.client.get(ask, {"ids": str(made.pk)}).content.decode()


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://example.com/", "https://a.internal/"])
def test_an_address_that_is_not_public_is_refused(url: str) -> None:
    desk = Desk()

    assert desk.add(url=url).status_code == 200

    with in_site(desk.site):
        assert not Subscription.objects.exists()


def test_a_full_site_is_told_so() -> None:
    desk = Desk()
    for number in range(LIMIT_A_SITE):
        make_subscription(desk.site, name=f"R{number}")

    answer = desk.add()

    assert answer.status_code == 200 and "as many subscriptions" in answer.content.decode()


def test_one_that_is_switched_on_again_starts_afresh() -> None:
    desk = Desk()
    row = make_subscription(
        desk.site,
        URL,
        is_active=False,
        stopped_code="gone",
        failures_in_a_row=9,
        quiet_until=timezone.now(),
    )

    answer = desk.client.post(reverse("admin:subscriptions_subscription_change", args=[row.pk]), GOOD)

    assert answer.status_code == 302
    now = desk.only()
    assert (now.is_active, now.stopped_code, now.failures_in_a_row, now.quiet_until) == (True, "", 0, None)
