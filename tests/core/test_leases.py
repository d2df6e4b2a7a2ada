"""The lease: one holder, database time."""

import threading

import pytest
from django.db import connection

from apps.core.leases import release_lease, renew_lease
from apps.core.models import BeatLease


@pytest.fixture(autouse=True)
def nobody_leads(database: None) -> None:
    BeatLease.objects.all().delete()


def hold(holder: str) -> bool:
    return renew_lease(name="beat", holder=holder, lease_s=30)


def test_the_first_takes_it_and_keeps_it() -> None:
    assert hold("a")
    assert not hold("b")
    assert hold("a")


def test_one_that_ran_out_is_taken_over() -> None:
    hold("a")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_beat_lease SET expires_at = clock_timestamp() - interval '1 second'")

    assert hold("b")
    assert not hold("a")


def test_one_given_up_is_free_at_once() -> None:
    hold("a")
    release_lease(name="beat", holder="a")

    assert hold("b")


def test_nobody_gives_up_what_another_holds() -> None:
    hold("a")
    release_lease(name="beat", holder="b")

    assert not hold("b")


def test_of_many_at_once_exactly_one_leads() -> None:
    start = threading.Barrier(6)
    leading: list[str] = []

    def race(holder: str) -> None:
        try:
            connection.ensure_connection()
            start.wait(timeout=10)
            if hold(holder):
                leading.append(holder)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(f"h{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(leading) == 1
