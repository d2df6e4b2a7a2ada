"""/api/v1/wallet-changes/ and the staff's side of it: asked for, approved, stopped, and done in time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Membership, Role, Wallet, WalletChange, WalletNotice
from apps.accounts.wallet_changes import changes_do_due
from apps.audit.models import AuditEvent
from apps.core.context import acting_as
from apps.sites.scope import bind_site
from tests.accounts.signing import CHANGES, WALLETS, Holder, Signer, proof
from tests.clients import api_of
from tests.databases import rules_off
from tests.factories import in_site, make_change, make_member, make_site, make_wallet

pytestmark = pytest.mark.usefixtures("database")
STAFF = "/api/v1/staff/wallet-changes/"


def end_cooling_off(admin_connection: Any, change_id: object) -> None:
    """As if the days had passed: past the trigger, which lets nobody move the end."""
    with rules_off(admin_connection) as cursor:
        cursor.execute(
            "UPDATE accounts_walletchange SET active_at = now() - interval '1 second' WHERE id = %s",
            [str(change_id)],
        )


def do_due(holder: Holder) -> int:
    with acting_as("task", "test"), bind_site(holder.site.id):
        return changes_do_due(10)


def addresses(holder: Holder) -> dict[str, bool]:
    with in_site(holder.site):
        return dict(Wallet.objects.filter(member=holder.member).values_list("address", "is_active"))


def staff_of(holder: Holder, *roles: Role) -> list[Membership]:
    return [make_member(holder.site, role) for role in roles]


def approve(member: Membership, change_id: str) -> Any:
    return api_of(member).post(f"{STAFF}{change_id}/approve/")


def stored(holder: Holder) -> WalletChange:
    with in_site(holder.site):
        return WalletChange.objects.select_related("old_wallet").get()


def test_with_both_signatures_the_cooling_off_begins_as_long_as_the_site_says() -> None:
    holder = Holder(wallet_cooling_off_hours=5)

    answer = holder.change()

    assert (answer.status_code, answer.json()["status"]) == (201, "cooling_off")
    change = stored(holder)
    assert round((change.active_at - change.created_at).total_seconds() / 3600, 1) == 5  # type: ignore[operator]
    assert addresses(holder) == {holder.old.address: True}


def test_a_site_cools_off_for_three_days_unless_it_says_otherwise() -> None:
    assert make_site().wallet_cooling_off_hours == 72


def test_after_the_cooling_off_the_new_address_is_the_wallet(admin_connection: Any) -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    end_cooling_off(admin_connection, change_id)

    assert do_due(holder) == 1

    assert addresses(holder) == {holder.old.address: False, holder.new.address: True}
    shown = holder.client.get(CHANGES).json()["results"][0]
    assert (shown["status"], shown["old_address"]) == ("done", holder.old.address)
    assert holder.client.get(WALLETS).json()["results"][0]["is_proved"] is True
    assert do_due(holder) == 0


def test_before_its_end_nothing_happens() -> None:
    holder = Holder()
    holder.change()
    assert do_due(holder) == 0
    assert addresses(holder) == {holder.old.address: True}


def test_the_same_request_again_is_the_same_change() -> None:
    holder = Holder()
    wish = holder.wish()
    first = holder.client.post(CHANGES, wish)

    again = holder.client.post(CHANGES, wish)

    assert (again.status_code, again.json()) == (200, first.json())


def test_a_second_change_waits_for_the_first() -> None:
    holder = Holder()
    holder.change()
    answer = holder.change()
    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_change_open")


@pytest.mark.parametrize("purpose", ["own", "leave"])
def test_another_message_of_the_new_wallet_moves_nothing(purpose: str) -> None:
    """The signature for a first registration, taken from elsewhere, is not one for a change."""
    holder = Holder()
    wrong = proof(holder.client, holder.new, purpose, holder.new.address)
    answer = holder.client.post(CHANGES, holder.wish(new_proof=wrong))
    assert (answer.status_code, answer.json()["code"]) == (400, "message_mismatch")


def test_the_old_wallets_signature_for_another_address_moves_nothing() -> None:
    holder = Holder()
    wrong = proof(holder.client, holder.old, "leave", Signer().address)
    answer = holder.client.post(CHANGES, holder.wish(old_proof=wrong))
    assert [error["field"] for error in answer.json()["errors"]] == ["statement"]


def test_the_old_signature_has_to_be_the_old_keys() -> None:
    holder = Holder()
    asked = holder.wish()
    asked["old_proof"]["signature"] = holder.new.sign(asked["old_proof"]["message"])

    answer = holder.client.post(CHANGES, asked)

    assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")
    with in_site(holder.site):
        assert not WalletChange.objects.exists()


def test_without_the_old_signature_a_reason_is_needed() -> None:
    holder = Holder()
    asked = holder.wish(by_old=False)
    del asked["reason"]
    assert holder.client.post(CHANGES, asked).json()["code"] == "reason_missing"


def test_a_lost_key_takes_two_members_of_staff() -> None:
    holder = Holder()
    change = holder.change(by_old=False).json()
    first, second = staff_of(holder, Role.OPERATOR, Role.APPROVER)

    one = approve(first, change["id"]).json()
    two = approve(second, change["id"]).json()

    assert (change["status"], one["status"], two["status"]) == (
        "awaiting_staff",
        "awaiting_staff",
        "cooling_off",
    )
    assert (two["first_approver_id"], two["second_approver_id"]) == (str(first.id), str(second.id))
    assert two["active_at"] is not None and one["active_at"] is None


def test_nobody_approves_twice() -> None:
    holder = Holder()
    change_id = holder.change(by_old=False).json()["id"]
    [first] = staff_of(holder, Role.APPROVER)
    approve(first, change_id)

    answer = approve(first, change_id)

    assert (answer.status_code, answer.json()["code"]) == (403, "second_person_needed")
    assert stored(holder).status == "awaiting_staff"


def test_staff_do_not_approve_their_own_change() -> None:
    holder = Holder()
    change_id = holder.change(by_old=False).json()["id"]
    with in_site(holder.site):
        Membership.objects.filter(id=holder.member.id).update(role=Role.APPROVER)

    answer = approve(holder.member, change_id)

    assert (answer.status_code, answer.json()["code"]) == (403, "second_person_needed")


@pytest.mark.parametrize("role", [Role.BUYER, Role.AUDITOR])
def test_others_approve_and_stop_nothing(role: Role) -> None:
    holder = Holder()
    change_id = holder.change(by_old=False).json()["id"]
    [other] = staff_of(holder, role)
    assert approve(other, change_id).status_code == 403
    stopped = api_of(other).post(f"{STAFF}{change_id}/stop/", {"reason": "no"})
    assert stopped.status_code == 403


def test_a_change_with_both_signatures_needs_no_approval() -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    [staff] = staff_of(holder, Role.APPROVER)
    answer = approve(staff, change_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_change_decided")


def test_the_beneficiary_stops_it(admin_connection: Any) -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]

    answer = holder.client.post(f"{CHANGES}{change_id}/stop/", {"reason": "it was not me"})

    assert (answer.status_code, answer.json()["status"]) == (200, "stopped")
    end_cooling_off(admin_connection, change_id)
    assert do_due(holder) == 0
    assert addresses(holder) == {holder.old.address: True}


def test_staff_stop_it_and_say_why() -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    [staff] = staff_of(holder, Role.OPERATOR)

    answer = api_of(staff).post(f"{STAFF}{change_id}/stop/", {"reason": "they called"}).json()

    assert (answer["status"], answer["stop_reason"], answer["stopped_by_id"]) == (
        "stopped",
        "they called",
        str(staff.id),
    )


def test_what_is_done_is_not_stopped(admin_connection: Any) -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    end_cooling_off(admin_connection, change_id)
    do_due(holder)
    answer = holder.client.post(f"{CHANGES}{change_id}/stop/", {"reason": "too late"})
    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_change_decided")


def test_after_a_stop_another_change_can_be_asked_for() -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    holder.client.post(f"{CHANGES}{change_id}/stop/", {"reason": "again"})
    assert holder.change().status_code == 201


def test_nobody_stops_somebody_elses_change() -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    other = api_of(make_member(holder.site))
    answer = other.post(f"{CHANGES}{change_id}/stop/", {"reason": "mine"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "a\x00b"}, {"reason": "x" * 501}, {"reson": "x"}]
)
def test_a_stop_says_why(body: dict[str, str]) -> None:
    holder = Holder()
    change_id = holder.change().json()["id"]
    assert holder.client.post(f"{CHANGES}{change_id}/stop/", body).status_code == 400


def test_each_step_leaves_history_and_a_notice(admin_connection: Any) -> None:
    holder = Holder()
    change_id = holder.change(by_old=False).json()["id"]
    for staff in staff_of(holder, Role.OPERATOR, Role.APPROVER):
        approve(staff, change_id)
    end_cooling_off(admin_connection, change_id)
    do_due(holder)

    with in_site(holder.site):
        kinds = list(WalletNotice.objects.order_by("id").values_list("kind", flat=True))
        events = AuditEvent.objects.filter(table_name="accounts_walletchange", row_id=UUID(change_id))
        states = [(event.after or {})["status"] for event in events.order_by("id")]
    assert kinds == ["awaiting_staff", "cooling_off", "done"]
    assert states == ["awaiting_staff", "awaiting_staff", "cooling_off", "done"]


def test_staff_see_changes_by_state_in_a_constant_number_of_queries() -> None:
    holder = Holder()
    holder.change()
    [auditor] = staff_of(holder, Role.AUDITOR)
    client = api_of(auditor)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(STAFF, {"status": "cooling_off"}).status_code == 200
        return len(captured)

    few = queries()
    for _ in range(4):
        make_change(make_wallet(make_member(holder.site)))
    assert queries() == few
    assert len(client.get(STAFF, {"status": "cooling_off"}).json()["results"]) == 5
    assert client.get(STAFF, {"status": "done"}).json()["results"] == []
    assert client.get(STAFF, {"status": "none"}).status_code == 400
