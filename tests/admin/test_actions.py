"""What staff ask services for: payouts of releases, decisions on batches, a look at Stripe, roles."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from apps.accounts.models import Membership, Role
from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.orders.models import Order
from apps.payouts.models import PayoutBatch
from apps.sites.models import Site
from apps.sites.scope import bind_site, in_scope
from apps.vesting.freezing import allocation_pause
from apps.vesting.models import Release
from tests.admin.rows import entered, fill_site, first_of, make_batch, staff_of, unlock_some
from tests.factories import in_site, make_member

pytestmark = pytest.mark.usefixtures("database")
BATCHES, RELEASES = "/admin/payouts/payoutbatch/", "/admin/vesting/release/"


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def member_of(site: Site, person: Any) -> Membership:
    with in_site(site):
        return Membership.objects.get(identity=person)


def approve(client: Client, batch: PayoutBatch, plan: str | None = None) -> Any:
    sent = {"ids": str(batch.id), "plan_sha256": plan or batch.plan_sha256}
    return client.post(f"{BATCHES}ask/approve/", sent)


def test_the_page_before_approving_shows_the_plan_and_posts_its_hash() -> None:
    site = fill_site("NA")
    batch = make_batch(site)
    page = entered(staff_of(site, role=Role.APPROVER)).get(f"{BATCHES}ask/approve/", {"ids": str(batch.id)})
    text = page.content.decode()
    assert page.status_code == 200
    assert f"<code>{batch.plan_sha256}</code>" in text
    assert f'name="plan_sha256" value="{batch.plan_sha256}"' in text
    assert "7 POSX" in text
    assert str(7 * 10**18) in text


def test_another_person_approves_and_is_named_in_the_history() -> None:
    site = fill_site("NA")
    batch, person = make_batch(site), staff_of(site, role=Role.APPROVER)
    response = approve(entered(person), batch)
    assert response["Location"] == f"{BATCHES}{batch.id}/change/"
    decided = first_of(site, PayoutBatch)
    assert (decided.status, decided.decided_by_id) == ("approved", member_of(site, person).id)
    with in_site(site):
        event = AuditEvent.objects.filter(row_id=batch.id, action="update").get()
    assert (event.actor_kind, event.actor_id) == ("user", str(member_of(site, person).id))
    history = entered(person).get(f"{BATCHES}{batch.id}/history/").content.decode()
    assert "status: draft → approved" in history


def test_the_service_runs_outside_of_any_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    site = fill_site("NA")
    batch = make_batch(site)
    seen: list[bool] = []

    def watched(**_kwargs: Any) -> None:
        seen.append(in_scope())

    monkeypatch.setattr("apps.payouts.admin_actions.batch_approve", watched)
    approve(entered(staff_of(site, role=Role.APPROVER)), batch)
    assert seen == [False]


def test_the_requester_is_told_that_another_person_is_needed() -> None:
    site = fill_site("NA")
    person = staff_of(site, role=Role.APPROVER)
    batch = make_batch(site, member_of(site, person))
    assert "Another person" in said(approve(entered(person), batch))
    assert first_of(site, PayoutBatch).status == "draft"


def test_another_plan_than_the_one_shown_is_not_approved() -> None:
    site = fill_site("NA")
    batch = make_batch(site)
    assert "not the plan" in said(approve(entered(staff_of(site, role=Role.APPROVER)), batch, "0" * 64))
    assert first_of(site, PayoutBatch).status == "draft"


def test_approving_twice_is_a_message() -> None:
    site = fill_site("NA")
    batch, client = make_batch(site), entered(staff_of(site, role=Role.APPROVER))
    approve(client, batch)
    assert said(approve(client, batch))
    assert first_of(site, PayoutBatch).status == "approved"


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
def test_only_approvers_decide(role: Role) -> None:
    site = fill_site("NA")
    batch, client = make_batch(site), entered(staff_of(site, role=role))
    assert approve(client, batch).status_code == 403
    assert client.get(f"{BATCHES}ask/approve/", {"ids": str(batch.id)}).status_code == 403
    assert "ask/approve" not in client.get(f"{BATCHES}{batch.id}/change/").content.decode()
    assert first_of(site, PayoutBatch).status == "draft"


def test_rejecting_needs_a_reason() -> None:
    site = fill_site("NA")
    batch, client = make_batch(site), entered(staff_of(site, role=Role.APPROVER))
    address = f"{BATCHES}ask/reject/"
    assert client.post(address, {"ids": batch.id, "reason": " "}).status_code == 200
    assert client.post(address, {"ids": batch.id, "reason": "Wrong people"}).status_code == 302
    rejected = first_of(site, PayoutBatch)
    assert (rejected.status, rejected.reason) == ("rejected", "Wrong people")


def test_the_list_asks_first_and_then_requests_the_payout() -> None:
    site = fill_site("NA")
    releases = unlock_some(site)[:3]
    client = entered(staff_of(site))
    ids = [str(release.id) for release in releases]
    page = client.post(RELEASES, {"action": "request-payout", "_selected_action": ids})
    assert page.status_code == 200
    assert page.content.decode().count('name="ids"') == 3
    asset = page.context["form"].initial["asset_id"]
    answer = client.post(f"{RELEASES}ask/request-payout/", {"ids": ids, "asset_id": asset})
    assert answer.status_code == 302
    batch = first_of(site, PayoutBatch)
    assert str(batch.id) in said(answer)
    assert batch.total_base_units == sum(release.amount_base_units for release in releases)
    with in_site(site):
        assert Release.objects.filter(id__in=ids, status="processing").count() == 3


def test_a_release_that_is_not_payable_is_a_message_and_nothing_is_done() -> None:
    site = fill_site("NA")
    unlocked = unlock_some(site)[:1]
    with in_site(site):
        locked = Release.objects.filter(status="locked").first() or Release.objects.all()[0]
        asset = Release.objects.select_related("allocation").get(id=locked.id).allocation.asset_id
        count = PayoutBatch.objects.count()
    with acting_as("task", "test"), bind_site(site.id):
        by = make_member(site, Role.OPERATOR)
        allocation_pause(allocation_id=unlocked[0].allocation_id, reason="a reason", by_member_id=by.id)
    sent = {"ids": [str(unlocked[0].id)], "asset_id": asset}
    answer = entered(staff_of(site)).post(f"{RELEASES}ask/request-payout/", sent)
    assert "not unlocked" in said(answer)
    with in_site(site):
        assert PayoutBatch.objects.count() == count


@pytest.mark.parametrize("method", ["get", "post"])
def test_ids_of_another_site_are_as_unknown_as_any(method: str) -> None:
    own, other = fill_site("OWN"), fill_site("OTHER")
    client = entered(staff_of(own, role=Role.APPROVER))
    mine, foreign = first_of(own, Release).id, first_of(other, Release).id
    unknown = "01900000-0000-7000-8000-000000000000"
    for ids in ([foreign], [mine, foreign], [unknown], [mine, unknown], ["x"], [], [mine] * 101):
        expected = 404 if len(ids) < 101 else 200 if method == "get" else 302
        asset = first_of(other, Release).allocation_id
        sent = {"ids": [str(each) for each in ids], "asset_id": str(asset)}
        response = getattr(client, method)(f"{RELEASES}ask/request-payout/", sent)
        assert response.status_code == expected, ids


def test_the_list_s_own_form_does_nothing_to_rows_of_another_site() -> None:
    own, other = fill_site("OWN"), fill_site("OTHER")
    batch = make_batch(other)
    client = entered(staff_of(own, role=Role.APPROVER))
    answer = client.post(BATCHES, {"action": "approve", "_selected_action": [str(batch.id)]})
    assert answer.status_code == 302
    assert "Choose 1" in said(answer)
    for wrong in ("x", "\x00"):
        answer = client.post(BATCHES, {"action": "approve", "_selected_action": [wrong]})
        assert answer.status_code == 302


def test_an_order_is_looked_at_by_a_worker() -> None:
    site = fill_site("NA")
    order = first_of(site, Order)
    answer = entered(staff_of(site)).post("/admin/orders/order/ask/look-at-stripe/", {"ids": order.id})
    assert answer.status_code == 302
    assert first_of(site, Order).next_check_at is not None


def test_an_approver_changes_a_role_but_not_their_own() -> None:
    site = fill_site("NA")
    approver, auditor = staff_of(site, role=Role.APPROVER), staff_of(site, role=Role.AUDITOR)
    client = entered(approver)
    for person, expected in ((auditor, Role.OPERATOR), (approver, Role.APPROVER)):
        member = member_of(site, person)
        sent = {"ids": str(member.id), "role": "operator"}
        assert client.post("/admin/accounts/membership/ask/set-role/", sent).status_code == 302
        assert member_of(site, person).role == expected
