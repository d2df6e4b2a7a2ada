"""/api/v1/vesting/: what a member sees of their own, and of nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.clients import api, api_of
from tests.payouts.scenes import TOKEN, Scene

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
BASE = "/api/v1/vesting/"


def get(client: Any, path: str, **query: str) -> Any:
    answer = client.get(BASE + path, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_allocations_show_amounts_as_text_twice() -> None:
    scene = Scene()
    ann = scene.buyer()
    scene.unlocked(ann, 10**30 + 1)
    [shown] = get(api_of(ann), "allocations/")["results"]
    assert (shown["amount_base_units"], shown["amount_tokens"]) == (
        str(10**30 + 1),
        "1000000000000.000000000000000001",
    )
    assert (shown["asset_code"], shown["source_kind"]) == ("POSX", "order")


def test_the_newest_allocation_comes_first_and_pages_follow() -> None:
    scene = Scene()
    ann = scene.buyer()
    scene.unlocked(ann, 1, 2, 3)
    client = api_of(ann)
    page = get(client, "allocations/", limit="2")
    rest = get(client, "allocations/", limit="2", cursor=page["next"])
    amounts = [row["amount_base_units"] for row in page["results"] + rest["results"]]
    assert (amounts, rest["next"]) == (["3", "2", "1"], None)


def test_an_allocation_has_its_amounts_by_state() -> None:
    scene = Scene()
    ann = scene.buyer()
    scene.unlocked(ann, 5 * TOKEN)
    client = api_of(ann)
    [row] = get(client, "allocations/")["results"]
    states = get(client, f"allocations/{row['id']}/")["by_status"]
    assert states["unlocked"] == {"tokens": "5", "base_units": str(5 * TOKEN)}
    assert states["released"] == {"tokens": "0", "base_units": "0"}


def test_a_schedule_shows_its_frozen_terms_and_span() -> None:
    scene = Scene()
    ann = scene.buyer()
    scene.unlocked(ann, 5)
    client = api_of(ann)
    [row] = get(client, "allocations/")["results"]
    schedule = get(client, f"allocations/{row['id']}/schedule/")
    assert (schedule["tge_basis_points"], schedule["total_base_units"], schedule["releases"]) == (
        10000,
        "5",
        1,
    )
    assert schedule["first_unlock_at"] == schedule["last_unlock_at"] == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize("path", ["", "schedule/"])
def test_somebody_elses_allocation_is_not_there(path: str) -> None:
    scene = Scene()
    ann, bob = scene.buyer(), scene.buyer()
    scene.unlocked(ann, 5)
    [row] = get(api_of(ann), "allocations/")["results"]
    answer = api_of(bob).get(f"{BASE}allocations/{row['id']}/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_releases_are_the_callers_only_and_filtered() -> None:
    scene = Scene()
    ann, bob = scene.buyer(), scene.buyer()
    scene.unlocked(ann, 1, 2)
    scene.unlocked(bob, 4)
    client = api_of(ann)
    releases = get(client, "releases/", status="unlocked")["results"]
    assert sorted(row["amount_base_units"] for row in releases) == ["1", "2"]
    one = get(client, "releases/", allocation_id=releases[0]["allocation_id"])["results"]
    assert one == [releases[0]]
    assert get(client, "releases/", status="locked")["results"] == []


def test_another_members_allocation_as_a_filter_shows_nothing() -> None:
    scene = Scene()
    ann, bob = scene.buyer(), scene.buyer()
    scene.unlocked(ann, 1)
    [row] = get(api_of(ann), "allocations/")["results"]
    assert get(api_of(bob), "releases/", allocation_id=row["id"])["results"] == []


def test_releases_with_one_time_page_without_loss() -> None:
    scene = Scene()
    ann = scene.buyer()
    scene.unlocked(ann, *range(1, 8))
    client, seen = api_of(ann), []
    page = get(client, "releases/", limit="3")
    while page["results"]:
        seen += [row["amount_base_units"] for row in page["results"]]
        page = get(client, "releases/", limit="3", cursor=page["next"]) if page["next"] else {"results": []}
    assert sorted(seen) == [str(n) for n in range(1, 8)]


def test_the_summary_sums_by_asset_and_state() -> None:
    scene = Scene()
    ann, bob = scene.buyer(), scene.buyer()
    scene.unlocked(ann, 2**255, 2**254 + 1)
    scene.unlocked(bob, 9)
    [asset] = get(api_of(ann), "summary/")["assets"]
    assert asset["total"]["base_units"] == str(2**255 + 2**254 + 1)
    assert asset["by_status"]["unlocked"]["base_units"] == str(2**255 + 2**254 + 1)
    assert asset["by_status"]["locked"]["base_units"] == "0"


def test_nobody_is_owed_anything_at_first() -> None:
    assert get(api_of(Scene().buyer()), "summary/") == {"assets": []}


@pytest.mark.parametrize(
    ("query", "field"), [({"status": "gone"}, "status"), ({"allocation_id": "7"}, "allocation_id")]
)
def test_a_malformed_filter_is_400(query: dict[str, str], field: str) -> None:
    answer = api_of(Scene().buyer()).get(f"{BASE}releases/", query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_who_is_no_member_sees_no_site() -> None:
    scene = Scene()
    assert api(scene.site, "auth0|stranger").get(f"{BASE}summary/").status_code == 404
    assert api(scene.site).get(f"{BASE}summary/").status_code == 401


@pytest.mark.parametrize(("path", "most"), [("allocations/", 6), ("releases/", 6), ("summary/", 6)])
def test_reads_cost_the_same_number_of_queries_however_many_rows(path: str, most: int) -> None:
    scene = Scene()
    ann = scene.buyer()
    scene.unlocked(ann, *range(1, 20))
    client = api_of(ann)
    client.get(BASE + path)
    with CaptureQueriesContext(connection) as queries:
        client.get(BASE + path)
    assert len(queries) <= most, [query["sql"] for query in queries]
