"""Keyset pages: every row once, whatever the ties, and no cursor but our own."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core.models import BeatLease
from apps.core.paging import KeysetPagination, decode_cursor, encode_cursor
from apps.core.problems import Problem

ORDER = ("-expires_at", "-name")
NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Paging(KeysetPagination):
    keyset = ORDER


def page(queryset: Any, **params: str) -> tuple[list[Any], str | None]:
    paging = Paging()
    rows = paging.paginate_queryset(queryset, Request(APIRequestFactory().get("/", params)))
    return rows, paging.next_cursor


def made_of(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).rstrip(b"=").decode()


def test_a_cursor_names_the_place_of_its_row() -> None:
    row = BeatLease(name="b€at", expires_at=NOON)

    assert decode_cursor(encode_cursor(row, ORDER), BeatLease, ORDER) == [NOON, "b€at"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "!!!!",
        made_of(),
        made_of("-name", "a"),
        made_of(",".join(ORDER), "a"),
        made_of(",".join(ORDER), "no date", "a"),
        made_of(",".join(ORDER), "2026-01-01T12:00:00", "a"),
        made_of(",".join(ORDER), NOON.isoformat(), "a\x00"),
        made_of(",".join(ORDER), NOON.isoformat(), 5),
        made_of({"a": 1}),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
    ],
)
def test_a_cursor_of_somebody_elses_making_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        decode_cursor(cursor, BeatLease, ORDER)

    assert (caught.value.status, caught.value.code) == (400, "invalid_cursor")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1e1", "٣", "9" * 5000])
def test_a_limit_outside_1_to_100_is_refused(limit: str) -> None:
    with pytest.raises(Problem) as caught:
        page(BeatLease.objects.all(), limit=limit)

    assert caught.value.errors
    assert caught.value.errors[0]["field"] == "limit"


def test_an_order_that_turns_back_is_a_fault_of_ours() -> None:
    class Turning(KeysetPagination):
        keyset = ("-expires_at", "name")

    with pytest.raises(ValueError, match="one way"):
        Turning().paginate_queryset(BeatLease.objects.all(), Request(APIRequestFactory().get("/")))


@pytest.mark.parametrize("as_values", [False, True])
def test_pages_show_every_row_once_also_when_all_share_a_time(database: None, as_values: bool) -> None:
    BeatLease.objects.all().delete()
    BeatLease.objects.bulk_create(
        BeatLease(name=f"n{number:02}", holder="h", expires_at=NOON + timedelta(seconds=number // 9))
        for number in range(18)
    )
    rows = BeatLease.objects.values("name", "expires_at") if as_values else BeatLease.objects.all()

    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        found, following = page(rows, limit="5", cursor=cursor)
        seen += [row["name"] if as_values else row.name for row in found]
        if following is None:
            break
        cursor = following

    assert seen == sorted((f"n{number:02}" for number in range(18)), reverse=True)


def test_a_page_asks_by_row_comparison(database: None) -> None:
    cursor = encode_cursor(BeatLease(name="a", expires_at=NOON), ORDER)

    with CaptureQueriesContext(connection) as queries:
        page(BeatLease.objects.all(), cursor=cursor)

    assert '("core_beat_lease"."expires_at", "core_beat_lease"."name") < (' in queries[-1]["sql"]
    assert "OFFSET" not in queries[-1]["sql"]
