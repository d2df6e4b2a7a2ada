"""What PostgreSQL refuses about wallets, whoever writes: each statement goes around the services."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection

from apps.accounts.models import Role, WalletChange
from tests.accounts.test_wallet_changes import end_cooling_off
from tests.factories import (
    in_site,
    make_address,
    make_change,
    make_member,
    make_proof,
    make_site,
    make_wallet,
)

pytestmark = pytest.mark.usefixtures("database")


class Case:
    """A member with a wallet, and raw SQL as the app login in the site."""

    def __init__(self) -> None:
        self.site = make_site()
        self.member = make_member(self.site)
        self.wallet = make_wallet(self.member)

    def sql(self, statement: str, **values: Any) -> None:
        with in_site(self.site), connection.cursor() as cursor:
            cursor.execute(statement, {name: str(value) for name, value in values.items()})

    def refused(self, by: str, statement: str, **values: Any) -> None:
        with pytest.raises(IntegrityError) as refusal:
            self.sql(statement, **values)
        assert refusal.value.__cause__.diag.constraint_name == by  # type: ignore[union-attr]


FINISH = (
    "WITH made AS (INSERT INTO accounts_wallet (id, site_id, member_id, address, is_active, created_at) "
    "SELECT gen_random_uuid(), site_id, member_id, new_address, false, now() FROM accounts_walletchange "
    "WHERE id = %(change)s RETURNING id) UPDATE accounts_walletchange SET status = 'done', finished_at = now(), "
    "new_wallet_id = (SELECT id FROM made) WHERE id = %(change)s"
)


def test_a_nonce_is_used_once() -> None:
    case = Case()
    make_proof(case.member, "own", case.wallet.address, nonce="n" * 8)
    with pytest.raises(IntegrityError) as refusal:
        make_proof(case.member, "own", case.wallet.address, nonce="n" * 8)
    assert "walletproof_nonce_once" in str(refusal.value)


def test_a_nonce_of_another_site_is_another_nonce() -> None:
    one, other = Case(), make_member(make_site("ASIA"))
    make_proof(one.member, "own", one.wallet.address, nonce="n" * 8)
    make_proof(other, "own", make_address(), nonce="n" * 8)


def test_an_expired_proof_is_not_stored() -> None:
    case = Case()
    with pytest.raises(IntegrityError) as refusal:
        make_proof(case.member, "own", case.wallet.address, expires_at="2020-01-01T00:00:00Z")
    assert "walletproof_in_time" in str(refusal.value)


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_walletproof SET address = address", "DELETE FROM accounts_walletproof"]
)
def test_a_proof_is_never_changed(statement: str, admin_connection: Any) -> None:
    case = Case()
    make_proof(case.member, "own", case.wallet.address)
    # As the superuser, since the app login has not even the right to try.
    with pytest.raises(Exception, match="never changed or removed"), admin_connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_change_is_not_done_before_its_cooling_off_ended() -> None:
    case = Case()
    change = make_change(case.wallet)
    case.refused("walletchange_cooling_off", FINISH, change=change.id)


def test_control_after_its_end_the_same_statement_is_taken(admin_connection: Any) -> None:
    """Negative control of the one above."""
    case = Case()
    change = make_change(case.wallet)
    end_cooling_off(admin_connection, change.id)
    case.sql(FINISH, change=change.id)


def test_the_end_of_a_cooling_off_cannot_be_moved() -> None:
    case = Case()
    change = make_change(case.wallet)
    case.refused(
        "walletchange_once",
        "UPDATE accounts_walletchange SET active_at = now() WHERE id = %(change)s",
        change=change.id,
    )


def test_whoever_writes_an_end_of_their_own_gets_the_sites() -> None:
    case = Case()
    change = make_change(case.wallet, by_old=False)
    one, two = make_member(case.site, Role.OPERATOR), make_member(case.site, Role.OPERATOR)
    case.sql(
        "UPDATE accounts_walletchange SET status = 'cooling_off', active_at = '2020-01-01', "
        "first_approver_id = %(one)s, second_approver_id = %(two)s WHERE id = %(change)s",
        change=change.id,
        one=one.id,
        two=two.id,
    )
    with in_site(case.site):
        kept = WalletChange.objects.get()
    assert (kept.active_at - kept.created_at).total_seconds() >= 72 * 3600  # type: ignore[operator]


_COOL = (
    "UPDATE accounts_walletchange SET status = 'cooling_off', "
    "first_approver_id = %(one)s, second_approver_id = %(two)s WHERE id = %(change)s"
)


def test_without_the_old_signature_it_takes_two_people() -> None:
    case = Case()
    change = make_change(case.wallet, by_old=False)
    case.refused(
        "walletchange_both_proofs_or_two_people",
        "UPDATE accounts_walletchange SET status = 'cooling_off', first_approver_id = %(one)s WHERE id = %(change)s",
        change=change.id,
        one=make_member(case.site, Role.OPERATOR).id,
    )


def test_one_person_is_not_two() -> None:
    case = Case()
    change = make_change(case.wallet, by_old=False)
    one = make_member(case.site, Role.APPROVER)
    case.refused("walletchange_different_people", _COOL, change=change.id, one=one.id, two=one.id)


def test_the_beneficiary_is_not_one_of_the_two() -> None:
    case = Case()
    change = make_change(case.wallet, by_old=False)
    one = make_member(case.site, Role.APPROVER)
    for pair in ({"one": one.id, "two": case.member.id}, {"one": case.member.id, "two": one.id}):
        case.refused("walletchange_different_people", _COOL, change=change.id, **pair)


def test_a_change_does_not_skip_its_cooling_off() -> None:
    case = Case()
    change = make_change(case.wallet, by_old=False)
    case.refused("walletchange_states", FINISH, change=change.id)


_ASK = (
    "INSERT INTO accounts_walletchange (id, site_id, member_id, old_wallet_id, new_address, status, new_proof_id, "
    "old_proof_id, reason, stop_reason, created_at) SELECT gen_random_uuid(), site_id, member_id, id, %(address)s, "
    "'cooling_off', %(new)s::uuid, %(old)s::uuid, '', '', now() FROM accounts_wallet WHERE id = %(wallet)s"
)


def test_signatures_of_another_change_are_refused() -> None:
    case = Case()
    address, other = make_address(), make_address()
    move = make_proof(case.member, "move", address, case.wallet.address)
    leave_for_other = make_proof(case.member, "leave", case.wallet.address, other)
    ids = {"address": address, "new": move.id, "wallet": case.wallet.id}
    case.refused("walletchange_proofs", _ASK, old=leave_for_other.id, **ids)

    # Negative control: with the right one the same statement is taken.
    leave = make_proof(case.member, "leave", case.wallet.address, address)
    case.sql(_ASK, old=leave.id, **ids)


def test_somebody_elses_signatures_are_refused() -> None:
    case = Case()
    address, thief = make_address(), make_member(case.site)
    move = make_proof(thief, "move", address, case.wallet.address)
    leave = make_proof(thief, "leave", case.wallet.address, address)
    ids = {"address": address, "new": move.id, "old": leave.id, "wallet": case.wallet.id}
    case.refused("walletchange_proofs", _ASK, **ids)


def test_a_wallet_that_was_left_is_not_changed() -> None:
    case = Case()
    address = make_address()
    move = make_proof(case.member, "move", address, case.wallet.address)
    leave = make_proof(case.member, "leave", case.wallet.address, address)
    case.sql("UPDATE accounts_wallet SET is_active = false WHERE id = %(wallet)s", wallet=case.wallet.id)
    ids = {"address": address, "new": move.id, "old": leave.id, "wallet": case.wallet.id}
    case.refused("walletchange_proofs", _ASK, **ids)


def test_one_change_at_a_time() -> None:
    case = Case()
    make_change(case.wallet)
    with pytest.raises(IntegrityError, match="walletchange_one_open"):
        make_change(case.wallet)


def test_another_wallet_takes_a_change() -> None:
    case = Case()
    case.refused(
        "wallet_first_or_changed",
        "WITH gone AS (UPDATE accounts_wallet SET is_active = false WHERE id = %(wallet)s RETURNING *) "
        "INSERT INTO accounts_wallet (id, site_id, member_id, address, is_active, created_at) "
        "SELECT gen_random_uuid(), site_id, member_id, %(address)s, false, now() FROM gone; "
        "UPDATE accounts_wallet SET is_active = true WHERE address = %(address)s",
        wallet=case.wallet.id,
        address=make_address(),
    )


def test_a_second_wallet_is_not_born_active() -> None:
    case = Case()
    case.sql("UPDATE accounts_wallet SET is_active = false WHERE id = %(wallet)s", wallet=case.wallet.id)
    with pytest.raises(IntegrityError, match="takes a finished change"):
        make_wallet(case.member)


def test_a_wallet_that_was_left_does_not_come_back() -> None:
    case = Case()
    case.sql("UPDATE accounts_wallet SET is_active = false WHERE id = %(wallet)s", wallet=case.wallet.id)
    case.refused(
        "wallet_first_or_changed",
        "UPDATE accounts_wallet SET is_active = true WHERE id = %(wallet)s",
        wallet=case.wallet.id,
    )


@pytest.mark.parametrize("hours", [0, 721])
def test_a_cooling_off_is_an_hour_to_a_month(hours: int) -> None:
    with pytest.raises(IntegrityError, match="site_wallet_cooling_off_range"):
        make_site("ASIA", wallet_cooling_off_hours=hours)
