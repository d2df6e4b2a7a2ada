"""The daily task that removes old idempotency keys."""

from __future__ import annotations

import pytest

from apps.core.ids import uuid7
from apps.idempotency.header import IdempotencyRequest
from apps.idempotency.models import IdempotencyKey
from apps.idempotency.services import idempotency_claim
from apps.vesting.tasks import cleanup_old_idempotency_keys
from tests.factories import in_site
from tests.payouts.scenes import Scene

pytestmark = pytest.mark.usefixtures("database", "bells_lost")


def claim(scene: Scene, key: str, *, hours_ago: int) -> None:
    with in_site(scene.site):
        idempotency_claim(request=IdempotencyRequest("ann", "POST /x", key, "0" * 64), target_id=uuid7())
    scene.sql(
        "UPDATE idempotency_idempotencykey SET created_at = now() - make_interval(hours => %s),"
        " lease_until = now() - interval '1 second' WHERE key = %s",
        hours_ago,
        key,
    )


def test_only_keys_older_than_the_setting_go_in_every_site() -> None:
    scenes = [Scene("NA"), Scene("ASIA")]
    for scene in scenes:
        claim(scene, "old", hours_ago=49)
        claim(scene, "young", hours_ago=47)
    assert cleanup_old_idempotency_keys() == "2 keys removed"
    for scene in scenes:
        with in_site(scene.site):
            assert [row.key for row in IdempotencyKey.objects.all()] == ["young"]
