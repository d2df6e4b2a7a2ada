"""/api/v1/staff/payout-batches/ and /staff/vesting/: who may, once for each key, and nothing half-done."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Role
from apps.idempotency.models import IdempotencyKey
from apps.payouts.submission import payouts_round
from devstack.fireblocks_sandbox import FireblocksSandbox
from tests.clients import api_of
from tests.factories import in_site, make_member
from tests.payouts.scenes import TOKEN, Scene

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
BATCHES = "/api/v1/staff/payout-batches/"
STAFF = "/api/v1/staff/vesting/"


def post(who: Any, path: str, body: dict[str, Any], key: str | None = None) -> Any:
    return api_of(who).post(path, body, headers={"Idempotency-Key": key or uuid4().hex})


@pytest.fixture
def scene(database: None) -> Scene:
    """A site where one buyer has two unlocked releases."""
    scene = Scene()
    scene.unlocked(scene.buyer(), TOKEN, 2 * TOKEN)
    return scene


def asked(scene: Scene, **fields: Any) -> Any:
    answer = post(scene.operator, BATCHES, {"asset_id": str(scene.asset.id), **fields})
    assert answer.status_code == 201, answer.content
    return answer.json()


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_an_operator_asks_for_a_batch(scene: Scene) -> None:
    batch = asked(scene)
    assert (batch["status"], batch["rule"], batch["payout_count"]) == ("draft", "two_people", 1)
    assert (batch["total_tokens"], batch["total_base_units"]) == ("3", str(3 * TOKEN))
    assert batch["requested_by_id"] == str(scene.operator.id)


def test_from_request_to_submission(scene: Scene, fireblocks_sandbox: FireblocksSandbox) -> None:
    batch = asked(scene)
    approved = post(scene.approver, f"{BATCHES}{batch['id']}/approve/", {"plan_sha256": batch["plan_sha256"]})
    assert (approved.status_code, approved.json()["status"]) == (200, "approved")
    with scene.working():
        payouts_round(5)
    [payout] = api_of(scene.approver).get(f"{BATCHES}{batch['id']}/payouts/").json()["results"]
    assert (payout["status"], payout["amount_tokens"]) == ("submitted", "3")
    assert [attempt["sends"] for attempt in payout["attempts"]] == [1]


def test_the_same_key_makes_one_batch(scene: Scene) -> None:
    body = {"asset_id": str(scene.asset.id), "limit": 1}
    first, again = (post(scene.operator, BATCHES, body, "key-1") for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    assert (again.headers.get("Idempotency-Replayed"), "Idempotency-Replayed" in first.headers) == (
        "true",
        False,
    )
    assert len(api_of(scene.operator).get(BATCHES).json()["results"]) == 1


def test_the_same_key_with_another_body_is_422(scene: Scene) -> None:
    post(scene.operator, BATCHES, {"asset_id": str(scene.asset.id), "limit": 1}, "key-1")
    again = post(scene.operator, BATCHES, {"asset_id": str(scene.asset.id), "limit": 2}, "key-1")
    assert code(again) == (422, "idempotency_key_reused")


def test_without_a_key_nothing_is_made(scene: Scene) -> None:
    answer = api_of(scene.operator).post(BATCHES, {"asset_id": str(scene.asset.id)})
    assert code(answer) == (400, "idempotency_key_missing")
    assert scene.payouts() == []


def test_a_refusal_stores_no_answer_and_may_be_tried_again(scene: Scene) -> None:
    batch = asked(scene)
    path, body = f"{BATCHES}{batch['id']}/approve/", {"plan_sha256": "0" * 64}
    assert code(post(scene.approver, path, body, "key-1")) == (409, "plan_changed")
    with in_site(scene.site):
        assert not IdempotencyKey.objects.filter(key="key-1").exists()
    assert post(scene.approver, path, {"plan_sha256": batch["plan_sha256"]}, "key-1").status_code == 200


def test_a_repeated_approval_is_answered_as_the_first(scene: Scene) -> None:
    batch = asked(scene)
    path, body = f"{BATCHES}{batch['id']}/approve/", {"plan_sha256": batch["plan_sha256"]}
    first, again = (post(scene.approver, path, body, "key-1") for _ in range(2))
    assert (again.status_code, again.json()) == (200, first.json())
    assert code(post(scene.approver, path, body, "key-2")) == (409, "batch_decided")


def test_an_approver_does_not_approve_what_they_asked_for(scene: Scene) -> None:
    answer = post(scene.approver, BATCHES, {"asset_id": str(scene.asset.id)})
    batch = answer.json()
    path = f"{BATCHES}{batch['id']}/approve/"
    assert code(post(scene.approver, path, {"plan_sha256": batch["plan_sha256"]})) == (
        403,
        "second_person_needed",
    )


def test_a_rejection_frees_the_releases(scene: Scene) -> None:
    batch = asked(scene)
    rejected = post(scene.approver, f"{BATCHES}{batch['id']}/reject/", {"reason": "Not yet"})
    assert (rejected.status_code, rejected.json()["status"], rejected.json()["reason"]) == (
        200,
        "rejected",
        "Not yet",
    )
    assert {release.status for release in scene.releases()} == {"unlocked"}


@pytest.mark.parametrize(
    ("role", "creates", "approves", "reads"),
    [
        ("buyer", 403, 403, 403),
        ("operator", 201, 403, 200),
        ("approver", 201, 200, 200),
        ("auditor", 403, 403, 200),
    ],
)
def test_roles(scene: Scene, role: str, creates: int, approves: int, reads: int) -> None:
    batch = asked(scene, limit=1)
    member = make_member(scene.site, Role(role))
    made = post(member, BATCHES, {"asset_id": str(scene.asset.id)})
    decided = post(member, f"{BATCHES}{batch['id']}/approve/", {"plan_sha256": batch["plan_sha256"]})
    read = [
        api_of(member).get(path).status_code
        for path in (
            BATCHES,
            f"{BATCHES}{batch['id']}/",
            f"{BATCHES}{batch['id']}/payouts/",
            f"{STAFF}releases/",
        )
    ]
    assert (made.status_code, decided.status_code, set(read)) == (creates, approves, {reads})


def test_named_releases_that_are_not_payable_are_listed(scene: Scene) -> None:
    unknown = str(uuid4())
    answer = post(scene.operator, BATCHES, {"asset_id": str(scene.asset.id), "release_ids": [unknown]})
    assert code(answer) == (409, "release_not_payable")
    assert answer.json()["errors"] == [
        {"field": "release_ids", "code": "release_not_payable", "detail": unknown}
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"asset_id": "x"}, "asset_id"),
        ({"asset_id": 7}, "asset_id"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": True}, "limit"),
        ({"release_ids": []}, "release_ids"),
        ({"release_ids": ["\x00"]}, "release_ids.0"),
        ({"releases": []}, "releases"),
    ],
)
def test_malformed_requests_are_400(scene: Scene, fields: dict[str, Any], field: str) -> None:
    answer = post(scene.operator, BATCHES, {"asset_id": str(scene.asset.id), **fields})
    assert (code(answer), answer.json()["errors"][0]["field"]) == ((400, "invalid"), field)


def test_an_unknown_asset_is_404(scene: Scene) -> None:
    assert code(post(scene.operator, BATCHES, {"asset_id": str(uuid4())})) == (404, "unknown_asset")


def test_another_sites_batch_is_not_there(scene: Scene) -> None:
    batch, asia = asked(scene), Scene("ASIA")
    path, body = f"{BATCHES}{batch['id']}/", {"plan_sha256": batch["plan_sha256"]}
    assert api_of(asia.approver).get(path).status_code == 404
    assert post(asia.approver, f"{path}approve/", body).status_code == 404
    assert api_of(asia.approver).get(BATCHES).json()["results"] == []


def test_staff_see_what_can_be_paid_out(scene: Scene) -> None:
    client = api_of(scene.operator)
    rows = client.get(f"{STAFF}releases/", {"status": "unlocked", "asset_id": str(scene.asset.id)}).json()
    assert [row["payout_id"] for row in rows["results"]] == [None, None]
    beneficiary = rows["results"][0]["beneficiary_id"]
    own = client.get(f"{STAFF}releases/", {"beneficiary_id": beneficiary}).json()["results"]
    assert len(own) == 2
    assert len(client.get(f"{STAFF}allocations/").json()["results"]) == 2
    [asset] = client.get(f"{STAFF}summary/").json()["assets"]
    assert asset["by_status"]["unlocked"]["tokens"] == "3"


def test_lists_cost_the_same_number_of_queries_however_many_rows(scene: Scene) -> None:
    for _ in range(8):
        scene.unlocked(scene.buyer(), 1)
    batch = asked(scene)
    client = api_of(scene.operator)
    for path, most in ((BATCHES, 6), (f"{BATCHES}{batch['id']}/payouts/", 8), (f"{STAFF}releases/", 6)):
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        assert len(queries) <= most, [query["sql"] for query in queries]
