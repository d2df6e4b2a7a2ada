"""An allocation comes with its frozen schedule and its releases, once for each source."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import Count, Sum
from django.test.utils import CaptureQueriesContext

from apps.sites.scope import SiteScopeMissing
from apps.vesting.models import Allocation, Release, VestingSchedule
from apps.vesting.services import allocation_grant
from tests.factories import in_site, make_asset, make_member, make_policy, make_site

PAID_AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("database")


class Sale:
    """A site with everything that an allocation needs."""

    def __init__(self, code: str = "NA", **policy: Any) -> None:
        self.site = make_site(code)
        self.asset = make_asset(self.site)
        self.buyer = make_member(self.site)
        self.policy = make_policy(self.site, **policy)

    def grant(self, source_id: UUID, amount: int = 1_000_003, starts_at: datetime = PAID_AT) -> Allocation:
        return allocation_grant(
            asset_id=self.asset.id,
            beneficiary_id=self.buyer.id,
            policy_id=self.policy.id,
            amount_base_units=amount,
            source_kind="order",
            source_id=source_id,
            starts_at=starts_at,
        )


def test_the_releases_sum_to_the_allocation() -> None:
    sale, amount = Sale(), 2**256 - 1
    with in_site(sale.site):
        allocation = sale.grant(uuid4(), amount)
        releases = Release.objects.filter(allocation=allocation).aggregate(
            total=Sum("amount_base_units"), rows=Count("id")
        )
    assert (releases["total"], releases["rows"]) == (amount, 13)


def test_dates_count_from_the_payment_and_clamp_to_the_month() -> None:
    sale = Sale()
    with in_site(sale.site):
        allocation = sale.grant(uuid4())
        rows = list(Release.objects.filter(allocation=allocation).order_by("number")[:3])
    assert [(row.number, row.unlock_at.date().isoformat(), row.status) for row in rows] == [
        (0, "2027-01-31", "locked"),
        (1, "2027-03-31", "locked"),
        (2, "2027-04-30", "locked"),
    ]


def test_a_policy_with_its_own_start_wins_over_the_payment() -> None:
    sale = Sale(starts_at=datetime(2028, 2, 29, tzinfo=UTC))
    with in_site(sale.site):
        allocation = sale.grant(uuid4())
        schedule = VestingSchedule.objects.get(allocation=allocation)
    assert schedule.start_at == datetime(2028, 2, 29, tzinfo=UTC)


def test_the_same_source_makes_one_allocation() -> None:
    sale, source = Sale(), uuid4()
    with in_site(sale.site):
        first = sale.grant(source)
    with in_site(sale.site):
        again = sale.grant(source, amount=5)
        releases = Release.objects.count()
    assert (again.id, again.amount_base_units, releases) == (first.id, 1_000_003, 13)


def test_two_at_once_make_one_allocation() -> None:
    # given a first grant that has not committed
    sale, source, found = Sale(), uuid4(), []
    inserted, finish = threading.Event(), threading.Event()

    def first() -> None:
        with in_site(sale.site):
            found.append(sale.grant(source).id)
            inserted.set()
            finish.wait(10)
        connections.close_all()

    def second() -> None:
        with in_site(sale.site):
            found.append(sale.grant(source).id)
        connections.close_all()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inserted.wait(10)
    # when a second one comes for the same source
    threads[1].start()
    finish.set()
    for thread in threads:
        thread.join(10)
    # then both have the same allocation
    assert len(found) == 2 and found[0] == found[1]


def test_a_daily_schedule_of_years_is_one_insert() -> None:
    sale = Sale(parts=1500, period_unit="day")
    with in_site(sale.site), CaptureQueriesContext(connection) as queries:
        sale.grant(uuid4(), 10**24)
    assert len(queries) == 5


def test_without_a_scope_it_is_refused() -> None:
    with pytest.raises(SiteScopeMissing):
        Sale().grant(uuid4())


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE vesting_release SET amount_base_units = amount_base_units + 1", "release_frozen"),
        ("UPDATE vesting_release SET unlock_at = now()", "release_frozen"),
        ("UPDATE vesting_release SET status = 'released'", "release_"),
        ("UPDATE vesting_vestingschedule SET parts = parts + 1", "vestingschedule_frozen"),
        ("UPDATE vesting_allocation SET amount_base_units = 1", "allocation_frozen"),
        (
            "INSERT INTO vesting_release (id, site_id, schedule_id, allocation_id, number, unlock_at,"
            " amount_base_units, status, tx_hash) SELECT gen_random_uuid(), site_id, schedule_id, allocation_id,"
            " 99, now(), 1, 'locked', '' FROM vesting_release LIMIT 1",
            "release_live_sum_within_schedule",
        ),
    ],
)
def test_raw_sql_cannot_bend_what_is_owed(statement: str, rule: str) -> None:
    sale = Sale()
    with in_site(sale.site):
        sale.grant(uuid4())
    with pytest.raises(IntegrityError) as refused, in_site(sale.site), connection.cursor() as cursor:
        cursor.execute(statement)
    assert refused.value.__cause__.diag.constraint_name.startswith(rule)  # type: ignore[union-attr]


def test_a_schedule_whose_releases_do_not_sum_is_refused_at_commit() -> None:
    sale = Sale()
    with pytest.raises(IntegrityError, match="do not sum"), in_site(sale.site), transaction.atomic():
        allocation = Allocation.objects.create(
            asset=sale.asset,
            beneficiary=sale.buyer,
            amount_base_units=10,
            source_kind="order",
            source_id=uuid4(),
        )
        VestingSchedule.objects.create(
            allocation=allocation,
            policy=sale.policy,
            start_at=PAID_AT,
            total_base_units=10,
            tge_basis_points=10000,
            cliff_count=0,
            cliff_unit="month",
            parts=0,
            period_count=1,
            period_unit="month",
        )
