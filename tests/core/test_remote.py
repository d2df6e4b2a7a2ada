"""Provider calls: never inside a transaction, and errors that say whether to try again."""

import pytest
from django.db import transaction

from apps.core.remote import RemoteInsideTransaction, RemoteRejected, RemoteUnknown, refuse_inside_transaction


def test_a_call_inside_a_transaction_is_refused(database: None) -> None:
    with transaction.atomic(), pytest.raises(RemoteInsideTransaction, match="transaction is open"):
        refuse_inside_transaction()


def test_a_call_after_the_commit_is_not(database: None) -> None:
    with transaction.atomic():
        pass

    refuse_inside_transaction()


def test_only_a_refusal_is_permanent() -> None:
    assert RemoteRejected("1438", "duplicate").permanent
    assert not RemoteUnknown("timeout").permanent
