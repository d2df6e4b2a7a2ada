"""A key runs its operation once, however often and from however many sides it is sent."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections
from django.utils import timezone

from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.idempotency.header import IdempotencyRequest
from apps.idempotency.models import IdempotencyKey
from apps.idempotency.services import (
    Claim,
    StoredResponse,
    idempotency_claim,
    idempotency_complete,
    idempotency_purge,
    idempotency_release,
)
from apps.sites.models import Site
from tests.factories import in_site, make_site

pytestmark = pytest.mark.usefixtures("database")


def _request(
    caller: str = "ann", operation: str = "POST /x", key: str = "k", body: str = "0"
) -> IdempotencyRequest:
    return IdempotencyRequest(caller, operation, key, body * 64)


def _claim(site: Site, request: IdempotencyRequest | None = None, target_id: UUID | None = None) -> Claim:
    with in_site(site):
        return idempotency_claim(request=request or _request(), target_id=target_id or uuid7())


def test_the_first_claim_is_new() -> None:
    target_id = uuid7()
    claim = _claim(make_site(), target_id=target_id)
    assert (claim.is_new, claim.target_id, claim.stored) == (True, target_id, None)


def test_a_repeat_while_it_runs_is_409_with_retry_after() -> None:
    site = make_site()
    _claim(site)
    with pytest.raises(Problem) as refused:
        _claim(site)
    assert (refused.value.status, refused.value.code) == (409, "idempotency_in_progress")
    assert refused.value.retry_after_s


def test_a_repeat_after_the_lease_resumes_with_the_first_target() -> None:
    site, target_id = make_site(), uuid7()
    first = _claim(site, target_id=target_id)
    with in_site(site):
        idempotency_release(claim_id=first.id)
    again = _claim(site)
    assert (again.id, again.is_new, again.target_id) == (first.id, False, target_id)


def test_a_resumed_claim_is_leased_again() -> None:
    site = make_site()
    first = _claim(site)
    with in_site(site):
        idempotency_release(claim_id=first.id)
    _claim(site)
    with pytest.raises(Problem, match="idempotency_in_progress"):
        _claim(site)


def test_a_completed_key_replays_its_first_answer() -> None:
    site = make_site()
    claim = _claim(site)
    with in_site(site):
        idempotency_complete(claim_id=claim.id, status=201, body={"id": "1"})
        idempotency_complete(claim_id=claim.id, status=500, body={"id": "2"})
    assert _claim(site).stored == StoredResponse(201, {"id": "1"})


def test_another_body_is_422() -> None:
    site = make_site()
    _claim(site)
    with pytest.raises(Problem) as refused:
        _claim(site, _request(body="1"))
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "other",
    [_request(caller="bob"), _request(operation="POST /y"), _request(key="k2")],
    ids=["caller", "route", "key"],
)
def test_a_key_is_bound_to_caller_and_operation(other: IdempotencyRequest) -> None:
    site = make_site()
    _claim(site)
    assert _claim(site, other).is_new


def test_a_key_is_bound_to_its_site() -> None:
    _claim(make_site("NA"))
    assert _claim(make_site("ASIA")).is_new


def test_a_claim_that_was_rolled_back_is_free_again() -> None:
    site = make_site()
    with pytest.raises(ZeroDivisionError), in_site(site):
        idempotency_claim(request=_request(), target_id=uuid7())
        _ = 1 / 0
    assert _claim(site).is_new


def test_of_many_at_once_one_is_new() -> None:
    site = make_site()
    gate = threading.Barrier(8)
    outcomes: list[bool | str] = []

    def claim() -> None:
        gate.wait()
        try:
            outcomes.append(_claim(site).is_new)
        except Problem as problem:
            outcomes.append(problem.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["True"] + ["idempotency_in_progress"] * 7


def test_reading_before_writing_would_let_two_through() -> None:
    """Negative control: the race is real for whoever looks first and inserts without the unique key's help."""
    site = make_site()
    gate, news = threading.Barrier(2), []

    def look_then_claim() -> None:
        try:
            with in_site(site):
                free = not IdempotencyKey.objects.filter(key="k").exists()
                gate.wait()  # both have looked, neither has written
                news.append(free)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=look_then_claim) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert news == [True, True]


def test_purge_removes_old_keys_in_bounded_batches_and_no_leased_one() -> None:
    site = make_site()
    with in_site(site):
        for number in range(3):
            claim = idempotency_claim(request=_request(key=f"old{number}"), target_id=uuid7(), lease_s=0)
            IdempotencyKey.objects.filter(pk=claim.id).update(created_at=timezone.now() - timedelta(hours=49))
        leased = idempotency_claim(request=_request(key="leased"), target_id=uuid7())
        IdempotencyKey.objects.filter(pk=leased.id).update(created_at=timezone.now() - timedelta(hours=49))
        idempotency_claim(request=_request(key="young"), target_id=uuid7(), lease_s=0)
    with in_site(site):
        assert idempotency_purge(older_than_hours=48, limit=2) == 2
    with in_site(site):
        assert idempotency_purge(older_than_hours=48, limit=2) == 1
        assert set(IdempotencyKey.objects.values_list("key", flat=True)) == {"leased", "young"}
